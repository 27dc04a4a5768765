import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Policy documents beside the words of the ledger, and what they ask of a row. */
export class Policies1763602100000 implements MigrationInterface {
  readonly name = 'Policies1763602100000'

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement)
  }

  async down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead.')
  }
}

const STATEMENTS = [
  'ALTER TABLE resource ADD facets bigint[], ADD care_lo bytea, ADD care_hi bytea',
  'ALTER TABLE resource_version ADD facets bigint[], ADD care_lo bytea, ADD care_hi bytea',
  'ALTER TABLE "grant" ADD policies bytea[]',
  'CREATE TABLE policy_document (hash bytea PRIMARY KEY, body bytea NOT NULL)',
  `CREATE TABLE policy_rule (
    hash bytea NOT NULL,
    ordinal integer NOT NULL,
    excepts boolean NOT NULL,
    parties bytea[],
    actions integer,
    purposes integer,
    labels bigint,
    categories bigint,
    care_from bytea,
    care_to bytea,
    facets bigint[],
    PRIMARY KEY (hash, ordinal)
  )`,
]

import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Which FHIR Consent stands for which grant of the ledger, and what it says of it so far. */
export class ConsentLinks1763600300000 implements MigrationInterface {
  readonly name = 'ConsentLinks1763600300000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE consent_link (
      consent_id text PRIMARY KEY,
      patient bytea NOT NULL,
      grant_key bytea NOT NULL,
      terms jsonb NOT NULL,
      proposed boolean NOT NULL,
      told bytea,
      version integer,
      until bigint,
      CONSTRAINT consent_link_grant_key UNIQUE (grant_key)
    )`)
    await runner.query('CREATE INDEX consent_link_patient ON consent_link (patient)')
    await runner.query('CREATE INDEX consent_link_until ON consent_link (until) WHERE until IS NOT NULL')
  }

  async down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead.')
  }
}

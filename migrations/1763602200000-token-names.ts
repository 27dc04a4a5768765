import type { MigrationInterface, QueryRunner } from 'typeorm'

/** What tokens of codes and URLs stand for, sealed, by the parameter that orders by them. */
export class TokenNames1763602200000 implements MigrationInterface {
  readonly name = 'TokenNames1763602200000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE TABLE token_name (
         token bigint NOT NULL CONSTRAINT token_name_pkey PRIMARY KEY, parameter bigint NOT NULL, sealed bytea NOT NULL
       )`,
    )
    await runner.query('CREATE INDEX token_name_parameter ON token_name (parameter)')
  }

  async down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead.')
  }
}

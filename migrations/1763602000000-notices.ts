import type { MigrationInterface, QueryRunner } from 'typeorm'

/** The Tasks and Communications that tell who asks for access and who took it, and what they say of the ledger so far. */
export class Notices1763602000000 implements MigrationInterface {
  readonly name = 'Notices1763602000000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE notice (
      id text PRIMARY KEY,
      kind text NOT NULL,
      patient bytea NOT NULL,
      at bigint NOT NULL,
      about jsonb NOT NULL,
      person jsonb,
      consent_id text,
      told bytea,
      until bigint,
      done_at bigint
    )`)
    await runner.query('CREATE INDEX notice_patient ON notice (patient)')
    await runner.query('CREATE INDEX notice_until ON notice (until) WHERE until IS NOT NULL')
  }

  async down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead.')
  }
}

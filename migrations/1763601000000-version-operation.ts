import type { MigrationInterface, QueryRunner } from 'typeorm'

/** The operation by which a client made a version; null where it was a plain interaction, and in rows from before. */
export class VersionOperation1763601000000 implements MigrationInterface {
  readonly name = 'VersionOperation1763601000000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE resource_version ADD COLUMN operation text')
  }

  async down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead.')
  }
}

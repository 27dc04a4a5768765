import type { MigrationInterface, QueryRunner } from 'typeorm'

/** How a client made a version; null where it was no client's, and in rows from before. */
export class VersionMethod1763600700000 implements MigrationInterface {
  readonly name = 'VersionMethod1763600700000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE resource_version ADD COLUMN method text')
  }

  async down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead.')
  }
}

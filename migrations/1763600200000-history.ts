import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Histories of a type and of the system run through all versions from the newest. */
export class History1763600200000 implements MigrationInterface {
  readonly name = 'History1763600200000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE INDEX resource_version_time ON resource_version (last_updated, resource_pk, version)')
  }

  async down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead.')
  }
}

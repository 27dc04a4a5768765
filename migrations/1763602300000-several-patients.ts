import type { MigrationInterface, QueryRunner } from 'typeorm'

/** The other patients whom a record names, each of whom must permit as well. */
export class SeveralPatients1763602300000 implements MigrationInterface {
  readonly name = 'SeveralPatients1763602300000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE resource ADD others bytea[]')
    await runner.query('ALTER TABLE resource_version ADD others bytea[]')
  }

  async down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead.')
  }
}

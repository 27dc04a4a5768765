import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Records by their last change, of all types and without the trail (label bit 62): of what many rows have the newest are near. */
export class Newest1763601900000 implements MigrationInterface {
  readonly name = 'Newest1763601900000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE INDEX resource_newest ON resource (last_updated, pk)
       WHERE NOT deleted AND (labels & 4611686018427387904) <> 4611686018427387904`,
    )
  }

  async down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead.')
  }
}

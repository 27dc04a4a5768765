import type { MigrationInterface, QueryRunner } from 'typeorm'

/** What is in a patient's compartment, without the trail about it (label bit 62), which is many times as much. */
export class Compartment1763600400000 implements MigrationInterface {
  readonly name = 'Compartment1763600400000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE INDEX resource_compartment ON resource (patient, pk)
       WHERE NOT deleted AND (labels & 4611686018427387904) <> 4611686018427387904`,
    )
  }

  async down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead.')
  }
}

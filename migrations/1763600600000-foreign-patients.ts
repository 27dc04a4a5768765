import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Ids of Patients of other entities that imported records name, so that nobody here gets one of them. */
export class ForeignPatients1763600600000 implements MigrationInterface {
  readonly name = 'ForeignPatients1763600600000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE TABLE foreign_patient (
         local_id text NOT NULL,
         resource_pk bigint NOT NULL,
         CONSTRAINT foreign_patient_pkey PRIMARY KEY (local_id, resource_pk)
       )`,
    )
    await runner.query('CREATE INDEX foreign_patient_resource ON foreign_patient (resource_pk)')
    await runner.query(
      `INSERT INTO foreign_patient (local_id, resource_pk)
       SELECT DISTINCT f.target_id, f.source_pk FROM reference f JOIN resource r ON r.pk = f.source_pk
       WHERE r.source IS NOT NULL AND f.target_type = 'Patient'`,
    )
  }

  async down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead.')
  }
}

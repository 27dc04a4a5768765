import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * By what form of the index each type was indexed, how far an indexing anew has come, and which records it could not open.
 */
export class IndexState1763600800000 implements MigrationInterface {
  readonly name = 'IndexState1763600800000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE TABLE index_state (
         pk integer NOT NULL,
         forms jsonb NOT NULL,
         target jsonb NOT NULL,
         upto bigint NOT NULL,
         until bigint NOT NULL,
         CONSTRAINT index_state_pkey PRIMARY KEY (pk)
       )`,
    )
    await runner.query(
      `CREATE TABLE index_waiting (
         resource_pk bigint NOT NULL,
         CONSTRAINT index_waiting_pkey PRIMARY KEY (resource_pk)
       )`,
    )
  }

  async down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead.')
  }
}

import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Blocks of other entities that are kept here, chunks included: what this node does not give away, and a purge deletes. */
export class ForeignBlocks1763600500000 implements MigrationInterface {
  readonly name = 'ForeignBlocks1763600500000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE TABLE foreign_block (
         cid text NOT NULL CONSTRAINT foreign_block_pkey PRIMARY KEY,
         envelope text NOT NULL,
         patient bytea NOT NULL
       )`,
    )
    await runner.query('CREATE INDEX foreign_block_patient ON foreign_block (patient)')
    await runner.query(
      `INSERT INTO foreign_block (cid, envelope, patient)
       SELECT v.cid, v.cid, r.patient FROM resource r JOIN resource_version v ON v.resource_pk = r.pk
       WHERE r.source IS NOT NULL AND v.cid IS NOT NULL AND r.patient IS NOT NULL
       ON CONFLICT DO NOTHING`,
    )
    // Which chunks their envelopes link stands in the blocks alone: the next round imports them once more, which writes nothing else.
    await runner.query(`UPDATE feed_item SET state = 'seen' WHERE state = 'imported'`)
  }

  async down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead.')
  }
}

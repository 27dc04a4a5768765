import type { MigrationInterface, QueryRunner } from 'typeorm'

/** When an item of a feed was anchored, by the ledger: it is held against when its author might write. */
export class AnchoredAt1763602400000 implements MigrationInterface {
  readonly name = 'AnchoredAt1763602400000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE feed_item ADD anchored_at bigint')
  }

  async down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead.')
  }
}

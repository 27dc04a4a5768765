import type { MigrationInterface, QueryRunner } from 'typeorm'

/** The key of a row that an item became was never written: a purge goes by the item's patient. */
export class FeedItemKey1763601100000 implements MigrationInterface {
  readonly name = 'FeedItemKey1763601100000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE feed_item DROP COLUMN resource_pk')
  }

  async down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead.')
  }
}

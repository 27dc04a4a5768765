import type { MigrationInterface, QueryRunner } from 'typeorm'

/** What re-encryption proxies signed that they did for us. */
export class ProxyReceipts1763600900000 implements MigrationInterface {
  readonly name = 'ProxyReceipts1763600900000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE TABLE proxy_receipt (
         hash bytea NOT NULL CONSTRAINT proxy_receipt_pkey PRIMARY KEY,
         proxy bytea NOT NULL,
         sequence bigint NOT NULL,
         patient bytea NOT NULL,
         body text NOT NULL
       )`,
    )
    await runner.query('CREATE INDEX proxy_receipt_sequence ON proxy_receipt (proxy, sequence)')
  }

  async down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead.')
  }
}

import type { MigrationInterface, QueryRunner } from 'typeorm'

/** What the verifiable log keeps besides its leaves: subtrees for proofs, and heads on their way to the chain. */
export class AuditLog1763600100000 implements MigrationInterface {
  readonly name = 'AuditLog1763600100000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE audit_node (
      level smallint NOT NULL,
      position bigint NOT NULL,
      hash bytea NOT NULL,
      PRIMARY KEY (level, position)
    )`)
    await runner.query(`CREATE TABLE audit_head (
      size bigint PRIMARY KEY,
      root bytea NOT NULL,
      segments text[] NOT NULL,
      prepared_at bigint NOT NULL,
      transaction_hash bytea,
      block_number bigint,
      block_hash bytea,
      log_index integer
    )`)
  }

  async down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead.')
  }
}

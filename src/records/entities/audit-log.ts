import { Column, Entity, PrimaryColumn } from 'typeorm'

/** A complete subtree of the verifiable log, of 256, 65,536, … leaves, so that a proof reads few of them. */
@Entity('audit_node')
export class AuditNodeEntity {
  @PrimaryColumn({ type: 'smallint', primaryKeyConstraintName: 'audit_node_pkey' })
  level!: number

  @PrimaryColumn({ type: 'bigint', primaryKeyConstraintName: 'audit_node_pkey' })
  position!: bigint

  @Column({ type: 'bytea' })
  hash!: Buffer
}

/** A head of the verifiable log: prepared, then sent, then seen on chain. */
@Entity('audit_head')
export class AuditHeadEntity {
  @PrimaryColumn({ type: 'bigint', primaryKeyConstraintName: 'audit_head_pkey' })
  size!: bigint

  @Column({ type: 'bytea' })
  root!: Buffer

  /** CIDs of the blocks that hold the sealed bodies since the head before. */
  @Column({ type: 'text', array: true })
  segments!: string[]

  @Column({ name: 'prepared_at', type: 'bigint' })
  preparedAt!: bigint

  @Column({ name: 'transaction_hash', type: 'bytea', nullable: true })
  transactionHash!: Buffer | null

  @Column({ name: 'block_number', type: 'bigint', nullable: true })
  blockNumber!: bigint | null

  @Column({ name: 'block_hash', type: 'bytea', nullable: true })
  blockHash!: Buffer | null

  @Column({ name: 'log_index', type: 'integer', nullable: true })
  logIndex!: number | null
}

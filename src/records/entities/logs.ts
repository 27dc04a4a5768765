import { Column, Entity, Index, PrimaryColumn, PrimaryGeneratedColumn, Unique } from 'typeorm'

/** The leaf of an AuditEvent in the verifiable log; numbered after its commit. */
@Entity('audit_leaf')
@Unique('audit_leaf_leaf_index_key', ['leafIndex'])
@Index('audit_leaf_unnumbered', ['resourcePk'], { where: 'leaf_index IS NULL' })
export class AuditLeafEntity {
  @PrimaryColumn({ name: 'resource_pk', type: 'bigint', primaryKeyConstraintName: 'audit_leaf_pkey' })
  resourcePk!: bigint

  @Column({ name: 'leaf_index', type: 'bigint', nullable: true })
  leafIndex!: bigint | null

  @Column({ type: 'bytea' })
  hash!: Buffer

  @Column({ type: 'bytea', nullable: true })
  salt!: Buffer | null

  @Column({ type: 'boolean', default: false })
  erased!: boolean
}

/** A batch of record leaves: prepared, then sent, then seen on chain. */
@Entity('anchor')
@Unique('anchor_root_key', ['root'])
@Index('anchor_unconfirmed', ['pk'], { where: 'block_number IS NULL' })
export class AnchorEntity {
  @PrimaryGeneratedColumn('identity', { type: 'integer', primaryKeyConstraintName: 'anchor_pkey' })
  pk!: number

  @Column({ type: 'bytea' })
  root!: Buffer

  /** SHA-256 digest of the manifest block. */
  @Column({ type: 'bytea' })
  manifest!: Buffer

  @Column({ type: 'integer' })
  count!: number

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

/** Versions of one commit that wait to be put into a batch, at most 500. */
@Entity('unanchored')
export class UnanchoredEntity {
  @PrimaryGeneratedColumn('identity', { type: 'bigint', primaryKeyConstraintName: 'unanchored_pkey' })
  id!: bigint

  /** Keys of their resources. */
  @Column({ type: 'bigint', array: true })
  pks!: bigint[]

  @Column({ type: 'integer', array: true })
  versions!: number[]

  /** How many. */
  @Column({ type: 'integer' })
  size!: number
}

/** Where the leaf of a version is. */
@Entity('anchored')
@Index('anchored_place', ['anchor', 'place'], { unique: true })
export class AnchoredEntity {
  @PrimaryColumn({ name: 'resource_pk', type: 'bigint', primaryKeyConstraintName: 'anchored_pkey' })
  resourcePk!: bigint

  @PrimaryColumn({ type: 'integer', primaryKeyConstraintName: 'anchored_pkey' })
  version!: number

  /** `anchor.pk` of the batch. */
  @Column({ type: 'integer' })
  anchor!: number

  /** Number of its leaf in the tree of the batch. */
  @Column({ type: 'integer' })
  place!: number
}

/** Work that a commit asked for. */
@Entity('outbox')
@Unique('outbox_kind_key', ['kind', 'key'])
@Index('outbox_waiting', ['kind', 'due', 'id'], { where: 'done_at IS NULL' })
export class OutboxEntity {
  @PrimaryGeneratedColumn('identity', { type: 'bigint', primaryKeyConstraintName: 'outbox_pkey' })
  id!: bigint

  @Column({ type: 'text' })
  kind!: string

  @Column({ type: 'text' })
  key!: string

  @Column({ type: 'jsonb' })
  payload!: unknown

  @Column({ type: 'bigint' })
  due!: bigint

  @Column({ name: 'claimed_until', type: 'bigint', default: 0 })
  claimedUntil!: bigint

  @Column({ type: 'integer', default: 0 })
  attempts!: number

  @Column({ name: 'last_error', type: 'text', nullable: true })
  lastError!: string | null

  @Column({ name: 'done_at', type: 'bigint', nullable: true })
  doneAt!: bigint | null
}

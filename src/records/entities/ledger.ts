import { Column, Entity, Index, PrimaryColumn } from 'typeorm'

/** What the two registries said, in the order of the chain; grants and parties are folded from it. */
@Entity('ledger_event')
@Index('ledger_event_subject', ['contract', 'subject', 'blockNumber', 'logIndex'])
export class LedgerEventEntity {
  @PrimaryColumn({ name: 'block_number', type: 'bigint', primaryKeyConstraintName: 'ledger_event_pkey' })
  blockNumber!: bigint

  @PrimaryColumn({ name: 'log_index', type: 'integer', primaryKeyConstraintName: 'ledger_event_pkey' })
  logIndex!: number

  @Column({ name: 'block_hash', type: 'bytea' })
  blockHash!: Buffer

  /** Seconds since the epoch. */
  @Column({ name: 'block_time', type: 'bigint' })
  blockTime!: bigint

  @Column({ name: 'transaction_hash', type: 'bytea' })
  transactionHash!: Buffer

  @Column({ type: 'text' })
  contract!: string

  @Column({ type: 'text' })
  name!: string

  /** Patient or party that it is about. */
  @Column({ type: 'bytea' })
  subject!: Buffer

  @Column({ type: 'jsonb' })
  args!: unknown
}

/** The words in force, for the search predicate. */
@Entity('grant')
export class GrantEntity {
  @PrimaryColumn({ type: 'bytea', primaryKeyConstraintName: 'grant_pkey' })
  patient!: Buffer

  @PrimaryColumn({ type: 'bytea', primaryKeyConstraintName: 'grant_pkey' })
  grantee!: Buffer

  @PrimaryColumn({ type: 'smallint', primaryKeyConstraintName: 'grant_pkey' })
  action!: number

  @PrimaryColumn({ name: 'label_mask', type: 'bigint', primaryKeyConstraintName: 'grant_pkey' })
  labelMask!: bigint

  @Column({ name: 'valid_from', type: 'bigint' })
  validFrom!: bigint

  @Column({ name: 'valid_to', type: 'bigint' })
  validTo!: bigint

  @Column({ type: 'integer' })
  purposes!: number

  @Column({ type: 'bigint' })
  categories!: bigint

  @Column({ type: 'integer' })
  epoch!: number

  @Column({ type: 'integer' })
  flags!: number
}

/** Entities, practitioners, patients and proxies as the chain has them now. */
@Entity('party')
@Index('party_kind', ['kind'])
export class PartyEntity {
  @PrimaryColumn({ type: 'bytea', primaryKeyConstraintName: 'party_pkey' })
  id!: Buffer

  @Column({ type: 'text' })
  kind!: string

  @Column({ type: 'text' })
  status!: string

  @Column({ name: 'valid_from', type: 'bigint' })
  validFrom!: bigint

  @Column({ name: 'valid_to', type: 'bigint' })
  validTo!: bigint

  @Column({ type: 'jsonb' })
  body!: unknown
}

/** Grants of an older epoch than this are void. */
@Entity('patient_epoch')
export class PatientEpochEntity {
  @PrimaryColumn({ type: 'bytea', primaryKeyConstraintName: 'patient_epoch_pkey' })
  patient!: Buffer

  @Column({ type: 'integer' })
  epoch!: number

  @Column({ name: 'block_number', type: 'bigint' })
  blockNumber!: bigint
}

/** How far a follower has come. */
@Entity('chain_cursor')
export class ChainCursorEntity {
  @PrimaryColumn({ type: 'text', primaryKeyConstraintName: 'chain_cursor_pkey' })
  name!: string

  @Column({ type: 'bigint' })
  number!: bigint

  @Column({ type: 'bytea' })
  hash!: Buffer

  @Column({ name: 'block_time', type: 'bigint' })
  blockTime!: bigint

  @Column({ type: 'bigint' })
  finalized!: bigint
}

/** Hashes of recent blocks, where a fork is looked for. */
@Entity('chain_block')
export class ChainBlockEntity {
  @PrimaryColumn({ type: 'bigint', primaryKeyConstraintName: 'chain_block_pkey' })
  number!: bigint

  @Column({ type: 'bytea' })
  hash!: Buffer
}

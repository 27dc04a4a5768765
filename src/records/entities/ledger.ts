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

  /** Hashes of the policy documents that narrow it; null: none. */
  @Column({ type: 'bytea', array: true, nullable: true })
  policies!: Buffer[] | null
}

/** What a word of the ledger cannot hold, by the hash that is pinned there. */
@Entity('policy_document')
export class PolicyDocumentEntity {
  @PrimaryColumn({ type: 'bytea', primaryKeyConstraintName: 'policy_document_pkey' })
  hash!: Buffer

  /** Sealed under the entity's master key. */
  @Column({ type: 'bytea' })
  body!: Buffer
}

/** Its rules, for the search predicate: tokens and bytes of order, as rows have them. */
@Entity('policy_rule')
export class PolicyRuleEntity {
  @PrimaryColumn({ type: 'bytea', primaryKeyConstraintName: 'policy_rule_pkey' })
  hash!: Buffer

  @PrimaryColumn({ type: 'integer', primaryKeyConstraintName: 'policy_rule_pkey' })
  ordinal!: number

  /** True: what it matches is refused; false: only what it matches is permitted. */
  @Column({ type: 'boolean' })
  excepts!: boolean

  @Column({ type: 'bytea', array: true, nullable: true })
  parties!: Buffer[] | null

  @Column({ type: 'integer', nullable: true })
  actions!: number | null

  @Column({ type: 'integer', nullable: true })
  purposes!: number | null

  @Column({ type: 'bigint', nullable: true })
  labels!: bigint | null

  @Column({ type: 'bigint', nullable: true })
  categories!: bigint | null

  @Column({ name: 'care_from', type: 'bytea', nullable: true })
  careFrom!: Buffer | null

  @Column({ name: 'care_to', type: 'bytea', nullable: true })
  careTo!: Buffer | null

  @Column({ type: 'bigint', array: true, nullable: true })
  facets!: bigint[] | null
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

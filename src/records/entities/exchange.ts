import { Column, Entity, Index, PrimaryColumn } from 'typeorm'

/** A local Patient resource and the random id under which the ledger knows the patient. */
@Entity('patient_link')
@Index('patient_link_patient', ['patient'])
export class PatientLinkEntity {
  @PrimaryColumn({ name: 'local_id', type: 'text', primaryKeyConstraintName: 'patient_link_pkey' })
  localId!: string

  @Column({ type: 'bytea' })
  patient!: Buffer

  /** The root secret in our custody, wrapped. */
  @Column({ name: 'wrapped_root', type: 'bytea', nullable: true })
  wrappedRoot!: Buffer | null

  @Column({ type: 'boolean', default: false })
  imported!: boolean
}

/** A capsule and its key, wrapped by the entity's master key. */
@Entity('capsule_key')
@Index('capsule_key_patient', ['patient', 'labelMask', 'author', 'createdAt'])
export class CapsuleKeyEntity {
  /** SHA-256 of the capsule. */
  @PrimaryColumn({ type: 'bytea', primaryKeyConstraintName: 'capsule_key_pkey' })
  id!: Buffer

  @Column({ type: 'bytea' })
  capsule!: Buffer

  @Column({ type: 'bytea' })
  patient!: Buffer

  @Column({ name: 'label_mask', type: 'bigint' })
  labelMask!: bigint

  @Column({ type: 'bytea' })
  author!: Buffer

  @Column({ type: 'integer' })
  epoch!: number

  @Column({ name: 'wrapped_key', type: 'bytea' })
  wrappedKey!: Buffer

  /** Opened through proxies under a grant: a purge deletes it. */
  @Column({ type: 'boolean' })
  imported!: boolean

  /** After a revocation: what is sealed from now on needs another capsule. */
  @Column('boolean', { default: false })
  retired!: boolean

  @Column({ name: 'created_at', type: 'bigint' })
  createdAt!: bigint

  @Column({ name: 'expires_at', type: 'bigint', nullable: true })
  expiresAt!: bigint | null
}

/** Another entity whose anchored batches are read. */
@Entity('feed')
export class FeedEntity {
  @PrimaryColumn({ type: 'bytea', primaryKeyConstraintName: 'feed_pkey' })
  origin!: Buffer

  /** Keys that its envelopes are signed with, each of an account that operated it on the ledger. 33 bytes. */
  @Column({ name: 'author_keys', type: 'bytea', array: true })
  authorKeys!: Buffer[]
}

/** One record of another entity's batch, and what became of it here. */
@Entity('feed_item')
@Index('feed_item_state', ['state', 'origin'])
@Index('feed_item_patient', ['patient'], { where: 'patient IS NOT NULL' })
export class FeedItemEntity {
  @PrimaryColumn({ type: 'bytea', primaryKeyConstraintName: 'feed_item_pkey' })
  origin!: Buffer

  @PrimaryColumn({ type: 'bytea', primaryKeyConstraintName: 'feed_item_pkey' })
  root!: Buffer

  @PrimaryColumn({ name: 'leaf_index', type: 'integer', primaryKeyConstraintName: 'feed_item_pkey' })
  leafIndex!: number

  @Column({ type: 'text' })
  cid!: string

  @Column({ type: 'bytea' })
  leaf!: Buffer

  /** Feed tags, one for each label of the record. */
  @Index('feed_item_tags', { type: 'gin' })
  @Column({ type: 'bytea', array: true })
  tags!: Buffer[]

  @Column({ type: 'text' })
  state!: string

  @Column({ type: 'bytea', nullable: true })
  patient!: Buffer | null

  @Column({ type: 'bytea', array: true, nullable: true })
  capsules!: Buffer[] | null

  @Column({ type: 'text', nullable: true })
  reason!: string | null

  /** Seconds since the epoch; `null`: read before this was kept. */
  @Column({ name: 'anchored_at', type: 'bigint', nullable: true })
  anchoredAt!: bigint | null
}

/** A policy key that a patient's grant package gave us, and the proxies that re-encrypt under it. */
@Entity('shared_policy')
export class SharedPolicyEntity {
  @PrimaryColumn({ type: 'bytea', primaryKeyConstraintName: 'shared_policy_pkey' })
  patient!: Buffer

  @PrimaryColumn({ name: 'label_mask', type: 'bigint', primaryKeyConstraintName: 'shared_policy_pkey' })
  labelMask!: bigint

  @Column({ type: 'integer' })
  epoch!: number

  @Column({ name: 'policy_key', type: 'bytea' })
  policyKey!: Buffer

  @Column({ name: 'verifying_key', type: 'bytea' })
  verifyingKey!: Buffer

  @Column({ type: 'integer' })
  threshold!: number

  @Column({ type: 'jsonb' })
  proxies!: unknown
}

/** A block of another entity that is kept here. */
@Entity('foreign_block')
@Index('foreign_block_patient', ['patient'])
export class ForeignBlockEntity {
  @PrimaryColumn({ type: 'text', primaryKeyConstraintName: 'foreign_block_pkey' })
  cid!: string

  /** The CID of the envelope that it is a chunk of, or its own. */
  @Column({ type: 'text' })
  envelope!: string

  @Column({ type: 'bytea' })
  patient!: Buffer
}

/** An id of a Patient of another entity, and an imported record that names it. */
@Entity('foreign_patient')
@Index('foreign_patient_resource', ['resourcePk'])
export class ForeignPatientEntity {
  @PrimaryColumn({ name: 'local_id', type: 'text', primaryKeyConstraintName: 'foreign_patient_pkey' })
  localId!: string

  @PrimaryColumn({ name: 'resource_pk', type: 'bigint', primaryKeyConstraintName: 'foreign_patient_pkey' })
  resourcePk!: bigint
}

/** A re-encryption for us, as its proxy signed it. Is never purged. */
@Entity('proxy_receipt')
@Index('proxy_receipt_sequence', ['proxy', 'sequence'])
export class ProxyReceiptEntity {
  /** SHA-256 of text and signature. */
  @PrimaryColumn({ type: 'bytea', primaryKeyConstraintName: 'proxy_receipt_pkey' })
  hash!: Buffer

  @Column({ type: 'bytea' })
  proxy!: Buffer

  @Column({ type: 'bigint' })
  sequence!: bigint

  @Column({ type: 'bytea' })
  patient!: Buffer

  /** JSON, as the proxy gave it. */
  @Column({ type: 'text' })
  body!: string
}

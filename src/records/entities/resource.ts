import { Column, Entity, Index, PrimaryColumn, Unique } from 'typeorm'

/** The current version of every resource, and what finds it. */
@Entity('resource')
@Unique('resource_type_id', ['type', 'id'])
@Index('resource_last_updated', ['type', 'lastUpdated', 'pk'], { where: 'NOT deleted' })
@Index('resource_imported', ['patient'], { where: 'source IS NOT NULL' })
@Index('resource_compartment', ['patient', 'pk'], {
  where: 'NOT deleted AND (labels & 4611686018427387904) <> 4611686018427387904',
})
@Index('resource_newest', ['lastUpdated', 'pk'], {
  where: 'NOT deleted AND (labels & 4611686018427387904) <> 4611686018427387904',
})
@Index('resource_xid', ['xid'])
export class ResourceEntity {
  /** From the sequence `resource_pk`; grows with creation, roughly. */
  @PrimaryColumn({ type: 'bigint', primaryKeyConstraintName: 'resource_pkey' })
  pk!: bigint

  @Column({ type: 'text' })
  type!: string

  @Column({ type: 'text' })
  id!: string

  @Column({ type: 'integer' })
  version!: number

  /** Milliseconds since the epoch. */
  @Column({ name: 'last_updated', type: 'bigint' })
  lastUpdated!: bigint

  @Column({ type: 'boolean' })
  deleted!: boolean

  @Column({ type: 'bytea', nullable: true })
  patient!: Buffer | null

  /** Other patients whom it names; null: none. */
  @Column({ type: 'bytea', array: true, nullable: true })
  others!: Buffer[] | null

  @Column({ type: 'bytea' })
  origin!: Buffer

  @Column({ type: 'bigint' })
  labels!: bigint

  @Column({ type: 'bigint' })
  categories!: bigint

  /** meta.source of an imported record. */
  @Column({ type: 'text', nullable: true })
  source!: string | null

  /** The blind index. */
  @Index('resource_tokens', { type: 'gin' })
  @Column({ type: 'bigint', array: true })
  tokens!: bigint[]

  /** Keyed tokens of what it is, who wrote it and what it refers to, for policy documents; null: from before they were kept. */
  @Column({ type: 'bigint', array: true, nullable: true })
  facets!: bigint[] | null

  /** Dates of care as order-preserving bytes, [lo, hi); null: none, or not known. */
  @Column({ name: 'care_lo', type: 'bytea', nullable: true })
  careLo!: Buffer | null

  @Column({ name: 'care_hi', type: 'bytea', nullable: true })
  careHi!: Buffer | null

  /** Transaction that wrote the current version; pages compare it with their snapshot. */
  @Column({ type: 'bigint' })
  xid!: bigint
}

/** Every version, and where its sealed body is. */
@Entity('resource_version')
@Index('resource_version_time', ['lastUpdated', 'resourcePk', 'version'])
export class ResourceVersionEntity {
  @PrimaryColumn({ name: 'resource_pk', type: 'bigint', primaryKeyConstraintName: 'resource_version_pkey' })
  resourcePk!: bigint

  @PrimaryColumn({ type: 'integer', primaryKeyConstraintName: 'resource_version_pkey' })
  version!: number

  @Column({ name: 'last_updated', type: 'bigint' })
  lastUpdated!: bigint

  @Column({ type: 'boolean' })
  deleted!: boolean

  @Column({ type: 'bytea', nullable: true })
  patient!: Buffer | null

  /** Other patients whom it names; null: none. */
  @Column({ type: 'bytea', array: true, nullable: true })
  others!: Buffer[] | null

  @Column({ type: 'bigint' })
  labels!: bigint

  @Column({ type: 'bigint' })
  categories!: bigint

  @Column({ type: 'text', nullable: true })
  cid!: string | null

  /** The sealed body of what has no block of its own. */
  @Column({ type: 'bytea', nullable: true })
  body!: Buffer | null

  @Column({ name: 'content_hash', type: 'bytea' })
  contentHash!: Buffer

  @Column({ type: 'bytea', nullable: true })
  salt!: Buffer | null

  @Column({ type: 'bytea' })
  author!: Buffer

  @Column({ type: 'bigint' })
  xid!: bigint

  /** Leaf on chain; null: not ours to anchor. */
  @Column({ type: 'bytea', nullable: true })
  leaf!: Buffer | null

  /** `POST`, `PUT`, `PATCH` or `DELETE`: how a client made it; null: no client did, or it is not known. */
  @Column({ type: 'text', nullable: true })
  method!: string | null

  /** `$meta-add` and the like, where the method was an operation's. */
  @Column({ type: 'text', nullable: true })
  operation!: string | null

  /** As in `resource`, of this version. */
  @Column({ type: 'bigint', array: true, nullable: true })
  facets!: bigint[] | null

  @Column({ name: 'care_lo', type: 'bytea', nullable: true })
  careLo!: Buffer | null

  @Column({ name: 'care_hi', type: 'bytea', nullable: true })
  careHi!: Buffer | null
}

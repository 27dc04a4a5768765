import { Column, Entity, Index, PrimaryColumn } from 'typeorm'

/** A reference to a resource of this server, for chains and reverse chains. */
@Entity('reference')
@Index('reference_target', ['targetId', 'targetType', 'parameter'])
export class ReferenceEntity {
  @PrimaryColumn({ name: 'source_pk', type: 'bigint', primaryKeyConstraintName: 'reference_pkey' })
  sourcePk!: bigint

  @PrimaryColumn({ type: 'integer', primaryKeyConstraintName: 'reference_pkey' })
  ordinal!: number

  /** `Observation.subject` */
  @Column({ type: 'text' })
  parameter!: string

  @Column({ name: 'target_type', type: 'text' })
  targetType!: string

  @Column({ name: 'target_id', type: 'text' })
  targetId!: string
}

/** Dates, numbers and quantities in order-preserving bytes. */
@Entity('ordered')
@Index('ordered_range', ['parameter', 'lo', 'hi'])
export class OrderedEntity {
  @PrimaryColumn({ name: 'resource_pk', type: 'bigint', primaryKeyConstraintName: 'ordered_pkey' })
  resourcePk!: bigint

  @PrimaryColumn({ type: 'integer', primaryKeyConstraintName: 'ordered_pkey' })
  ordinal!: number

  /** Token of type and parameter. */
  @Column({ type: 'bigint' })
  parameter!: bigint

  @Column({ type: 'bytea' })
  lo!: Buffer

  @Column({ type: 'bytea' })
  hi!: Buffer

  /** Tokens of the unit of a quantity. */
  @Column({ type: 'bigint', array: true, nullable: true })
  unit!: bigint[] | null
}

/** What a token stands for, sealed. */
@Entity('token_name')
export class TokenNameEntity {
  @PrimaryColumn({ type: 'bigint', primaryKeyConstraintName: 'token_name_pkey' })
  token!: bigint

  /** Token of type and parameter, as of rows that sort. */
  @Index('token_name_parameter')
  @Column({ type: 'bigint' })
  parameter!: bigint

  @Column({ type: 'bytea' })
  sealed!: Buffer
}

/** Who made last what a conditional create looks for. */
@Entity('claim')
export class ClaimEntity {
  @PrimaryColumn({ type: 'bigint', primaryKeyConstraintName: 'claim_pkey' })
  key!: bigint

  @Column({ type: 'bigint' })
  xid!: bigint

  /** What the claimant had seen. */
  @Column({ type: 'text' })
  snapshot!: string
}

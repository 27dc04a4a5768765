import { Column, Entity, Index, PrimaryColumn, Unique } from 'typeorm'

/** The Consent that stands for a grant of the ledger. */
@Entity('consent_link')
@Unique('consent_link_grant_key', ['grantKey'])
@Index('consent_link_patient', ['patient'])
@Index('consent_link_until', ['until'], { where: 'until IS NOT NULL' })
export class ConsentLinkEntity {
  @PrimaryColumn({ name: 'consent_id', type: 'text', primaryKeyConstraintName: 'consent_link_pkey' })
  consentId!: string

  @Column({ type: 'bytea' })
  patient!: Buffer

  /** SHA-256 of the terms. */
  @Column({ name: 'grant_key', type: 'bytea' })
  grantKey!: Buffer

  /** As signed: public once it is on the ledger. */
  @Column({ type: 'jsonb' })
  terms!: unknown

  /** A client proposed it here; else the ledger had it first. */
  @Column({ type: 'boolean' })
  proposed!: boolean

  /** SHA-256 of what `version` says of the ledger. */
  @Column({ type: 'bytea', nullable: true })
  told!: Buffer | null

  /** The version of the Consent that says it; `null`: none says anything of the ledger yet. */
  @Column({ type: 'integer', nullable: true })
  version!: number | null

  /** Seconds since the epoch: it is told as in force and ends then. */
  @Column({ type: 'bigint', nullable: true })
  until!: bigint | null
}

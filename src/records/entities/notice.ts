import { Column, Entity, Index, PrimaryColumn } from 'typeorm'

/** A Task or Communication that tells who asks for access or took it. */
@Entity('notice')
@Index('notice_patient', ['patient'])
@Index('notice_until', ['until'], { where: 'until IS NOT NULL' })
export class NoticeEntity {
  /** Logical id of the resource; it follows from what the notice is about. */
  @PrimaryColumn({ type: 'text', primaryKeyConstraintName: 'notice_pkey' })
  id!: string

  @Column({ type: 'text' })
  kind!: string

  @Column({ type: 'bytea' })
  patient!: Buffer

  /** Milliseconds since the epoch: when it was first written. */
  @Column({ type: 'bigint' })
  at!: bigint

  /** What it tells of, in the ledger's public words. */
  @Column({ type: 'jsonb' })
  about!: unknown

  /** Who broke the glass here, for the limit and for the review; `null`: nobody to count. */
  @Column({ type: 'jsonb', nullable: true })
  person!: unknown

  /** The Consent that was proposed in answer to a request. */
  @Column({ name: 'consent_id', type: 'text', nullable: true })
  consentId!: string | null

  /** SHA-256 of what its last version says of the ledger; `null`: nothing yet. */
  @Column({ type: 'bytea', nullable: true })
  told!: Buffer | null

  /** Seconds since the epoch: to be told anew then. */
  @Column({ type: 'bigint', nullable: true })
  until!: bigint | null

  /** Milliseconds since the epoch: a review was made. */
  @Column({ name: 'done_at', type: 'bigint', nullable: true })
  doneAt!: bigint | null
}

import { Column, Entity, PrimaryColumn } from 'typeorm'

/** One row: what form the index has, and how far an indexing anew has come. */
@Entity('index_state')
export class IndexStateEntity {
  @PrimaryColumn({ type: 'integer', primaryKeyConstraintName: 'index_state_pkey' })
  pk!: number

  /** By type: the form in which all of its rows are indexed. */
  @Column({ type: 'jsonb' })
  forms!: Record<string, string>

  /** By type: the form that rows up to `upto` have. */
  @Column({ type: 'jsonb' })
  target!: Record<string, string>

  @Column({ type: 'bigint' })
  upto!: bigint

  /** Rows beyond it were written in the form of `target`. */
  @Column({ type: 'bigint' })
  until!: bigint
}

/** A record that could not be opened to be indexed anew. */
@Entity('index_waiting')
export class IndexWaitingEntity {
  @PrimaryColumn({ name: 'resource_pk', type: 'bigint', primaryKeyConstraintName: 'index_waiting_pkey' })
  resourcePk!: bigint
}

import type { PatientId } from '../consent/permit.js'
import type { Sql } from '../records/database.js'
import type { BlockStore } from '../vault/blocks/block-store.js'
import type { Block } from '../vault/cid.js'

/** An envelope of another entity with its chunks. */
export interface ForeignEnvelope {
  readonly cid: string
  /** The envelope's own block is one of them. */
  readonly blocks: readonly Block[]
}

/**
 * Blocks of other entities that are kept here, of records that were opened and found right: what a stranger's manifest or envelope merely
 * names may be ours or another's, and is neither kept nor ever deleted for it. Which they are is written down before they are there and
 * forgotten after they are gone, so that a process that ends in between leaves none that a purge does not find or that is given
 * away as ours.
 */
export class ForeignBlocks {
  constructor(
    private readonly sql: Sql,
    private readonly store: BlockStore,
  ) {}

  /** Durable when it resolves. */
  async put(patient: PatientId, envelopes: readonly ForeignEnvelope[]): Promise<void> {
    if (envelopes.length === 0) return
    const named = envelopes.flatMap(({ cid: envelope, blocks }) => blocks.map(({ cid }) => ({ cid, envelope })))
    await this.sql.query(
      `INSERT INTO foreign_block (cid, envelope, patient) SELECT i.cid, i.envelope, $3
       FROM unnest($1::text[], $2::text[]) AS i(cid, envelope) ON CONFLICT (cid) DO NOTHING`,
      [named.map(({ cid }) => cid), named.map(({ envelope }) => envelope), bytes(patient)],
    )
    await this.store.put(envelopes.flatMap(({ blocks }) => blocks))
  }

  async has(cid: string): Promise<boolean> {
    const { rows } = await this.sql.query('SELECT 1 FROM foreign_block WHERE cid = $1', [cid])
    return rows.length > 0
  }

  /** All of a patient but what records with none of these labels still need. */
  async forget(patient: PatientId, labels: bigint): Promise<void> {
    const { rows } = await this.sql.query<{ cid: string }>(
      `SELECT f.cid FROM foreign_block f WHERE f.patient = $1 AND NOT EXISTS (
         SELECT 1 FROM resource r JOIN resource_version v ON v.resource_pk = r.pk
         WHERE r.patient = $1 AND r.source IS NOT NULL AND (r.labels & $2) = 0 AND v.cid = f.envelope)`,
      [bytes(patient), labels],
    )
    await this.#remove(rows.map(({ cid }) => cid))
  }

  /** Envelopes that came to nothing in the end, unless a record is sealed in one. In the turn of their patient. */
  async drop(patient: PatientId, envelopes: readonly string[]): Promise<void> {
    if (envelopes.length === 0) return
    const { rows } = await this.sql.query<{ cid: string }>(
      `SELECT f.cid FROM foreign_block f WHERE f.patient = $1 AND f.envelope = ANY($2::text[]) AND NOT EXISTS (
         SELECT 1 FROM resource r JOIN resource_version v ON v.resource_pk = r.pk WHERE r.patient = $1 AND v.cid = f.envelope)`,
      [bytes(patient), envelopes],
    )
    await this.#remove(rows.map(({ cid }) => cid))
  }

  async #remove(cids: readonly string[]): Promise<void> {
    if (cids.length === 0) return
    await this.store.delete(cids)
    await this.sql.query('DELETE FROM foreign_block WHERE cid = ANY($1::text[])', [cids])
  }
}

function bytes(value: string): Buffer {
  return Buffer.from(value.slice(2), 'hex')
}

import { byteaArray, int4Array, int8Array, textArray } from './array-parameter.js'
import { ConsentryError } from '../errors.js'
import type { Database, Sql } from './database.js'
import { bytesOf, hexOf } from './hex.js'
import type { Hex, VersionRef } from './types.js'

/** A version that waits to be anchored. */
export interface Unanchored extends VersionRef {
  readonly resourcePk: bigint
  readonly cid: string | null
  readonly leaf: Uint8Array
  readonly patient: Hex | null
  readonly labels: bigint
}

/** What goes into one batch together. */
export interface Waiting {
  /** Rows of the queue, each of which goes into a batch as a whole. */
  readonly queued: readonly bigint[]
  /** Their versions, in the order of the tree. */
  readonly leaves: readonly Unanchored[]
}

export interface NewAnchor extends Waiting {
  readonly root: Hex
  /** SHA-256 digest of the manifest block. */
  readonly manifest: Hex
}

export interface Anchor {
  /** The contract's number of the batch: how many were prepared before it, since none is ever dropped. */
  readonly sequence: number
  readonly root: Hex
  readonly manifest: Hex
  readonly count: number
  readonly transactionHash: Hex | null
  /** `null`: not seen on chain, or no longer after a reorganisation. */
  readonly block: { readonly number: number; readonly hash: Hex } | null
}

/** Where a version's leaf is: enough for a proof together with the other leaves of the batch. */
export interface AnchoredLeaf {
  readonly anchor: Anchor
  readonly leafIndex: number
}

/**
 * Batches of record leaves on their way to the chain. A version is put into one batch, once; a batch that was prepared
 * is sent until its root is seen on chain, so each version is anchored exactly once through crashes and reorganisations.
 */
export class Anchors {
  constructor(private readonly database: Database) {}

  /**
   * Those that have waited longest.
   *
   * @param limit of versions; a row of the queue that has more is given all the same, alone
   */
  async waiting(limit: number): Promise<Waiting> {
    const { rows } = await this.database.query<{
      queued: bigint
      resource_pk: bigint
      type: string
      id: string
      version: number
      cid: string | null
      leaf: Buffer
      patient: Buffer | null
      labels: bigint
    }>(
      `SELECT q.id AS queued, v.resource_pk, r.type, r.id, v.version, v.cid, v.leaf, v.patient, v.labels
       FROM (
         SELECT id, pks, versions, size, sum(size) OVER (ORDER BY id) AS upto
         FROM (SELECT id, pks, versions, size FROM unanchored ORDER BY id LIMIT $1) o
       ) q, unnest(q.pks, q.versions) WITH ORDINALITY AS i(pk, version, n)
       JOIN resource_version v ON v.resource_pk = i.pk AND v.version = i.version JOIN resource r ON r.pk = i.pk
       WHERE q.upto <= $1 OR q.upto = q.size ORDER BY q.id, i.n`,
      [limit],
    )
    return {
      queued: [...new Set(rows.map(({ queued }) => queued))],
      leaves: rows.map(({ queued: _, resource_pk: resourcePk, patient, ...row }) => ({
        ...row,
        resourcePk,
        patient: patient && hexOf(patient),
      })),
    }
  }

  /** @throws ConsentryError `conflict` when a part of it is in another batch already: two workers; nothing has happened */
  async prepare({ root, manifest, queued, leaves }: NewAnchor): Promise<void> {
    await this.database.transaction(async (sql) => {
      const { rowCount } = await sql.query('DELETE FROM unanchored WHERE id = ANY($1::bigint[])', [int8Array(queued)])
      if (rowCount !== queued.length) throw new ConsentryError('conflict', 'Another worker anchors the same records.')
      await sql.query(
        `WITH a AS (
           INSERT INTO anchor (root, manifest, count, prepared_at) VALUES ($1, $2, $3, $4) RETURNING pk
         )
         INSERT INTO anchored (resource_pk, version, anchor, place)
         SELECT i.pk, i.version, a.pk, i.n - 1 FROM a, unnest($5::bigint[], $6::int[]) WITH ORDINALITY AS i(pk, version, n)`,
        [
          bytesOf(root),
          bytesOf(manifest),
          leaves.length,
          Date.now(),
          int8Array(leaves.map((l) => l.resourcePk)),
          int4Array(leaves.map((l) => l.version)),
        ],
      )
    })
  }

  /** Prepared and not seen on chain, the oldest first: to be sent (again). */
  async unconfirmed(): Promise<Anchor[]> {
    const { rows } = await this.database.query<SqlAnchor>(
      `SELECT ${COLUMNS} FROM anchor a WHERE a.block_number IS NULL ORDER BY a.pk`,
    )
    return rows.map(anchorOf)
  }

  async sent(root: Hex, transactionHash: Hex): Promise<void> {
    await this.database.query('UPDATE anchor SET transaction_hash = $2 WHERE root = $1', [
      bytesOf(root),
      bytesOf(transactionHash),
    ])
  }

  /** The follower has seen our roots. @returns those that are ours */
  async confirmed(
    sql: Sql,
    events: readonly { root: Hex; transactionHash: Hex; blockNumber: number; blockHash: Hex; logIndex: number }[],
  ): Promise<Hex[]> {
    if (events.length === 0) return []
    const { rows } = await sql.query<{ root: Buffer }>(
      `UPDATE anchor a SET transaction_hash = e.transaction, block_number = e.number, block_hash = e.hash, log_index = e.log
       FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bytea[], $5::int[]) AS e(root, transaction, number, hash, log)
       WHERE a.root = e.root RETURNING a.root`,
      [
        byteaArray(events.map((e) => bytesOf(e.root))),
        byteaArray(events.map((e) => bytesOf(e.transactionHash))),
        int8Array(events.map((e) => BigInt(e.blockNumber))),
        byteaArray(events.map((e) => bytesOf(e.blockHash))),
        int4Array(events.map((e) => e.logIndex)),
      ],
    )
    return rows.map(({ root }) => hexOf(root))
  }

  /** Blocks above `block` are gone; their batches wait to be seen again. */
  async rollback(sql: Sql, block: number): Promise<void> {
    await sql.query(
      'UPDATE anchor SET block_number = NULL, block_hash = NULL, log_index = NULL WHERE block_number > $1',
      [block],
    )
  }

  /** In the order asked for; `null`: in no batch (yet). */
  async ofVersions(refs: readonly VersionRef[]): Promise<(AnchoredLeaf | null)[]> {
    const { rows } = await this.database.query<SqlAnchor & { n: bigint; place: number }>(
      `SELECT i.n, p.place, ${COLUMNS}
       FROM unnest($1::text[], $2::text[], $3::int[]) WITH ORDINALITY AS i(type, id, version, n)
       JOIN resource r ON r.type = i.type AND r.id = i.id
       JOIN anchored p ON p.resource_pk = r.pk AND p.version = i.version JOIN anchor a ON a.pk = p.anchor`,
      [
        textArray(refs.map(({ type }) => type)),
        textArray(refs.map(({ id }) => id)),
        int4Array(refs.map(({ version }) => version)),
      ],
    )
    const found = new Array<AnchoredLeaf | null>(refs.length).fill(null)
    for (const row of rows) found[Number(row.n) - 1] = { anchor: anchorOf(row), leafIndex: row.place }
    return found
  }

  /** All leaves of a batch in the order of its tree. */
  async leaves(root: Hex): Promise<Uint8Array[]> {
    const { rows } = await this.database.query<{ leaf: Buffer }>(
      `SELECT v.leaf FROM anchor a JOIN anchored p ON p.anchor = a.pk
       JOIN resource_version v ON v.resource_pk = p.resource_pk AND v.version = p.version
       WHERE a.root = $1 ORDER BY p.place`,
      [bytesOf(root)],
    )
    return rows.map(({ leaf }) => leaf)
  }
}

const COLUMNS = `a.root, a.manifest, a.count, a.transaction_hash, a.block_number, a.block_hash,
  (SELECT count(*)::int FROM anchor b WHERE b.pk < a.pk) AS sequence`

interface SqlAnchor {
  readonly sequence: number
  readonly root: Buffer
  readonly manifest: Buffer
  readonly count: number
  readonly transaction_hash: Buffer | null
  readonly block_number: bigint | null
  readonly block_hash: Buffer | null
}

function anchorOf(row: SqlAnchor): Anchor {
  return {
    sequence: row.sequence,
    root: hexOf(row.root),
    manifest: hexOf(row.manifest),
    count: row.count,
    transactionHash: row.transaction_hash && hexOf(row.transaction_hash),
    block:
      row.block_number === null || row.block_hash === null
        ? null
        : { number: Number(row.block_number), hash: hexOf(row.block_hash) },
  }
}

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

export interface NewAnchor {
  readonly root: Hex
  /** SHA-256 digest of the manifest block. */
  readonly manifest: Hex
  /** In the order of the tree. */
  readonly leaves: readonly Pick<Unanchored, 'resourcePk' | 'version'>[]
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
   * The limit holds before the join: to the planner a quarter of all versions waits (those of the trail have no anchor and no leaf either), and it
   * went through all resources in their order to find the few.
   */
  async waiting(limit: number): Promise<Unanchored[]> {
    const { rows } = await this.database.query<{
      resource_pk: bigint
      type: string
      id: string
      version: number
      cid: string | null
      leaf: Buffer
      patient: Buffer | null
      labels: bigint
    }>(
      `SELECT v.resource_pk, r.type, r.id, v.version, v.cid, v.leaf, v.patient, v.labels
       FROM (
         SELECT resource_pk, version, cid, leaf, patient, labels FROM resource_version
         WHERE leaf IS NOT NULL AND anchor IS NULL ORDER BY resource_pk, version LIMIT $1
       ) v JOIN resource r ON r.pk = v.resource_pk ORDER BY v.resource_pk, v.version`,
      [limit],
    )
    return rows.map(({ resource_pk: resourcePk, patient, ...row }) => ({
      ...row,
      resourcePk,
      patient: patient && hexOf(patient),
    }))
  }

  /** @throws ConsentryError `conflict` when a leaf is in another batch already: two workers; nothing has happened */
  async prepare({ root, manifest, leaves }: NewAnchor): Promise<void> {
    await this.database.transaction(async (sql) => {
      const { rows } = await sql.query<{ pk: number }>(
        'INSERT INTO anchor (root, manifest, count, prepared_at) VALUES ($1, $2, $3, $4) RETURNING pk',
        [bytesOf(root), bytesOf(manifest), leaves.length, Date.now()],
      )
      const { rowCount } = await sql.query(
        `UPDATE resource_version v SET anchor = $1, anchor_leaf = i.n - 1
         FROM unnest($2::bigint[], $3::int[]) WITH ORDINALITY AS i(pk, version, n)
         WHERE v.resource_pk = i.pk AND v.version = i.version AND v.anchor IS NULL`,
        [rows[0]?.pk, int8Array(leaves.map((l) => l.resourcePk)), int4Array(leaves.map((l) => l.version))],
      )
      if (rowCount !== leaves.length) throw new ConsentryError('conflict', 'Another worker anchors the same records.')
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
    const { rows } = await this.database.query<SqlAnchor & { n: bigint; anchor_leaf: number }>(
      `SELECT i.n, v.anchor_leaf, ${COLUMNS}
       FROM unnest($1::text[], $2::text[], $3::int[]) WITH ORDINALITY AS i(type, id, version, n)
       JOIN resource r ON r.type = i.type AND r.id = i.id
       JOIN resource_version v ON v.resource_pk = r.pk AND v.version = i.version JOIN anchor a ON a.pk = v.anchor`,
      [
        textArray(refs.map(({ type }) => type)),
        textArray(refs.map(({ id }) => id)),
        int4Array(refs.map(({ version }) => version)),
      ],
    )
    const found = new Array<AnchoredLeaf | null>(refs.length).fill(null)
    for (const row of rows) found[Number(row.n) - 1] = { anchor: anchorOf(row), leafIndex: row.anchor_leaf }
    return found
  }

  /** All leaves of a batch in the order of its tree. */
  async leaves(root: Hex): Promise<Uint8Array[]> {
    const { rows } = await this.database.query<{ leaf: Buffer }>(
      `SELECT v.leaf FROM resource_version v JOIN anchor a ON a.pk = v.anchor WHERE a.root = $1 ORDER BY v.anchor_leaf`,
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

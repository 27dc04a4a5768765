import { int8Array, textArray } from './array-parameter.js'
import type { Session, Statement } from './database.js'
import type { Claim, Committed, Conflict, NewVersion, Ref } from './types.js'

export interface LockedRow {
  readonly pk: bigint
  readonly version: number
  readonly deleted: boolean
}

/** In the order of their keys, so that two transactions do not wait for each other. */
const LOCK: Statement = {
  name: 'lock',
  text: `SELECT r.pk, r.type, r.id, r.version, r.deleted
    FROM unnest($1::text[], $2::text[]) AS i(type, id) JOIN resource r ON r.type = i.type AND r.id = i.id
    ORDER BY r.pk FOR UPDATE OF r`,
}

/** Rows of the resources that exist, by `type/id`; each may be named several times. */
export async function lock(session: Session, refs: readonly Ref[]): Promise<Map<string, LockedRow>> {
  const { rows } = await session.run<LockedRow & { type: string; id: string }>(LOCK, [
    textArray(refs.map(({ type }) => type)),
    textArray(refs.map(({ id }) => id)),
  ])
  return new Map(rows.map((row) => [`${row.type}/${row.id}`, row]))
}

/** `undefined`: every version follows the one that is there, and whom they speak of is there. */
export function verdict(
  versions: readonly NewVersion[],
  present: readonly string[],
  rows: ReadonlyMap<string, LockedRow>,
): Committed | undefined {
  const conflicts = versions.flatMap(({ type, id, version, source }): Conflict[] => {
    const current = rows.get(`${type}/${id}`)
    // Of an imported record we may not see every version, so any later one follows.
    const follows = source === null ? (current?.version ?? 0) === version - 1 : (current?.version ?? 0) < version
    if (follows) return []
    return [
      {
        kind: 'version',
        type,
        id,
        expected: version - 1,
        current: current ? { version: current.version, deleted: current.deleted } : null,
      },
    ]
  })
  const localIds = present.filter((id) => rows.get(`Patient/${id}`)?.deleted !== false)
  if (localIds.length > 0) conflicts.push({ kind: 'absent', localIds })
  return conflicts.length === 0 ? undefined : { committed: false, conflicts }
}

/**
 * A claim holds unless someone whose transaction the claimant's search could not see has made the same claim. The row
 * lock of the upsert makes the second of two concurrent ones wait for the first.
 */
const CLAIM: Statement = {
  name: 'claim',
  text: `INSERT INTO claim (key, xid, snapshot)
    SELECT key, pg_current_xact_id()::text::bigint, snapshot FROM unnest($1::bigint[], $2::text[]) AS i(key, snapshot)
    ON CONFLICT (key) DO UPDATE SET xid = excluded.xid, snapshot = excluded.snapshot
    WHERE pg_visible_in_snapshot(claim.xid::text::xid8, excluded.snapshot::pg_snapshot)
    RETURNING key`,
}

/** @returns the keys of the claims that hold */
export async function claim(session: Session, claims: readonly Claim[]): Promise<Set<bigint>> {
  if (claims.length === 0) return new Set()
  const sorted = [...claims].sort((a, b) => (a.key < b.key ? -1 : 1))
  const { rows } = await session.run<{ key: bigint }>(CLAIM, [
    int8Array(sorted.map(({ key }) => key)),
    textArray(sorted.map(({ snapshot }) => snapshot)),
  ])
  return new Set(rows.map(({ key }) => key))
}

const DELETE_INDEX_ROWS: Statement = {
  name: 'delete-index-rows',
  text: `WITH gone AS (DELETE FROM reference WHERE source_pk = ANY($1::bigint[]))
    DELETE FROM ordered WHERE resource_pk = ANY($1::bigint[])`,
}

/** What found the version before no longer finds the resource. */
export async function deleteIndexRows(session: Session, keys: readonly bigint[]): Promise<void> {
  if (keys.length > 0) await session.run(DELETE_INDEX_ROWS, [int8Array(keys)])
}

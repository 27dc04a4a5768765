import { AUDIT } from '../../consent/labels.js'
import type { StoredVersion } from '../../records/types.js'
import { auditLeafHash } from '../audit-trail.js'
import { type Check, hex, PAGE, reason } from './check.js'

interface TrailRow {
  readonly resource_pk: bigint
  readonly leaf_index: bigint | null
  readonly hash: Buffer
  readonly leaf_salt: Buffer | null
  readonly erased: boolean
  readonly type: string | null
  readonly id: string
  readonly last_updated: bigint
  readonly patient: Buffer | null
  readonly origin: Buffer
  readonly labels: bigint
  readonly categories: bigint
  readonly body: Buffer | null
  readonly content_hash: Buffer | null
  readonly salt: Buffer | null
  readonly author: Buffer
}

/** Each record of the trail opens, is signed by us, is of its row, and is what its leaf says. */
export const trail: Check = async function* ({ database, openTrail }) {
  let count = 0
  for (let after = -1n; ;) {
    const { rows } = await database.query<TrailRow>(
      `SELECT l.resource_pk, l.leaf_index, l.hash, l.salt AS leaf_salt, l.erased, r.type, r.id, v.last_updated, v.patient,
         r.origin, v.labels, v.categories, v.body, v.content_hash, v.salt, v.author
       FROM audit_leaf l LEFT JOIN resource r ON r.pk = l.resource_pk
       LEFT JOIN resource_version v ON v.resource_pk = l.resource_pk AND v.version = 1
       WHERE l.resource_pk > $1 ORDER BY l.resource_pk LIMIT $2`,
      [after, PAGE],
    )
    if (rows.length === 0) break
    after = (rows.at(-1) as TrailRow).resource_pk
    count += rows.length
    for (const row of rows) {
      const what = await faultOf(row, openTrail)
      if (what === null) continue
      const name = row.type === null ? 'its record is gone' : `${row.type}/${row.id}`
      yield { check: 'trail', where: `leaf ${row.leaf_index ?? 'not numbered'} (${name})`, what }
    }
  }
  const { rows } = await database.query<{ name: string }>(
    `SELECT r.type || '/' || r.id AS name FROM resource r LEFT JOIN audit_leaf l ON l.resource_pk = r.pk
     WHERE r.type IN ('AuditEvent', 'Provenance') AND r.labels = $1 AND l.resource_pk IS NULL`,
    [AUDIT],
  )
  for (const { name } of rows) {
    yield { check: 'trail', where: name, what: 'The record has no leaf in the log: it was removed or never entered.' }
  }
  return `${count} records`
}

async function faultOf(row: TrailRow, openTrail: (row: StoredVersion) => Promise<Uint8Array>): Promise<string | null> {
  if (row.erased) return null
  if (row.type === null || row.content_hash === null) return 'The record was removed, its leaf is there.'
  if (row.body === null || row.leaf_salt === null) return 'The body or the salt was removed, and not by an erasure.'
  try {
    const body = await openTrail(stored(row, row.type, row.body, row.content_hash))
    return hex(auditLeafHash(row.leaf_salt, body)) === hex(row.hash)
      ? null
      : 'The record is not what its leaf says: record, salt or leaf was changed.'
  } catch (error) {
    return reason(error)
  }
}

function stored(row: TrailRow, type: string, body: Buffer, contentHash: Buffer): StoredVersion {
  return {
    type,
    id: row.id,
    version: 1,
    lastUpdated: Number(row.last_updated),
    deleted: false,
    patient: row.patient && hex(row.patient),
    origin: hex(row.origin),
    labels: row.labels,
    categories: BigInt.asUintN(64, row.categories),
    source: null,
    cid: null,
    body,
    contentHash,
    salt: row.salt,
    author: hex(row.author),
  }
}

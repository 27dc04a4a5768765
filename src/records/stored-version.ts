import { hexOf } from './hex.js'
import type { ResourceRow, RowFacts, StoredVersion } from './types.js'

/** Columns of `resource r` as a ResourceRow. */
export const ROW_COLUMNS = `r.pk, r.type, r.id, r.version, r.last_updated, r.deleted, r.patient, r.origin, r.labels,
  r.categories, r.source, r.facets, r.care_lo, r.care_hi, r.others`

/** Columns of the current version: `resource r` with its `resource_version v`. */
export const VERSION_COLUMNS = `${ROW_COLUMNS}, v.cid, v.body, v.content_hash, v.salt, v.author`

const SAME_FACTS = '(v.facets, v.care_lo, v.care_hi) IS NOT DISTINCT FROM (r.facets, r.care_lo, r.care_hi)'

/**
 * Columns of a version that need not be the current one: its own subject, and the labels of both. What a policy document asks of it is known
 * where it is the same of both, so that neither is seen through the other.
 */
export const OLD_VERSION_COLUMNS = `r.pk, r.type, r.id, v.version, v.last_updated, v.deleted, v.patient, r.origin,
  v.labels | r.labels AS labels, v.categories | r.categories AS categories, r.source,
  CASE WHEN ${SAME_FACTS} THEN v.facets END AS facets, CASE WHEN ${SAME_FACTS} THEN v.care_lo END AS care_lo,
  CASE WHEN ${SAME_FACTS} THEN v.care_hi END AS care_hi,
  v.others || r.others AS others, v.cid, v.body, v.content_hash,
  v.salt, v.author`

export interface SqlRow {
  /** bytea[] */
  readonly others?: readonly Buffer[] | null
  readonly facets?: readonly bigint[] | null
  readonly care_lo?: Buffer | null
  readonly care_hi?: Buffer | null
  readonly pk: bigint
  readonly type: string
  readonly id: string
  readonly version: number
  readonly last_updated: bigint
  readonly deleted: boolean
  readonly patient: Buffer | null
  readonly origin: Buffer
  readonly labels: bigint
  readonly categories: bigint
  readonly source: string | null
}

export interface SqlVersion extends SqlRow {
  readonly cid: string | null
  readonly body: Buffer | null
  readonly content_hash: Buffer
  readonly salt: Buffer | null
  readonly author: Buffer
}

export function resourceRow(row: SqlRow): ResourceRow {
  return {
    type: row.type,
    id: row.id,
    version: row.version,
    lastUpdated: Number(row.last_updated),
    deleted: row.deleted,
    patient: row.patient && hexOf(row.patient),
    origin: hexOf(row.origin),
    labels: row.labels,
    categories: BigInt.asUintN(64, row.categories),
    others: row.others?.length ? row.others.map(hexOf) : null,
    facts: factsOf(row),
    source: row.source,
  }
}

export function storedVersion(row: SqlVersion): StoredVersion {
  return {
    ...resourceRow(row),
    cid: row.cid,
    body: row.body,
    contentHash: row.content_hash,
    salt: row.salt,
    author: hexOf(row.author),
  }
}

function factsOf({ facets, care_lo: lo, care_hi: hi }: SqlRow): RowFacts | null {
  return !facets ? null : { facets, care: !lo || !hi ? null : { lo, hi } }
}

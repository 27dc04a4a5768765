import type { BlindIndex } from './blind-index.js'
import type { Database } from './database.js'
import { referenceParameter } from './index-names.js'
import { Parameters } from './parameters.js'
import { OLD_VERSION_COLUMNS, type SqlVersion, storedVersion } from './stored-version.js'
import type { Method, RowFilter, StoredVersion } from './types.js'

/** Versions of one resource, of a type, or of everything. */
export interface HistoryQuery {
  readonly type?: string
  readonly id?: string
  /** Only of these types. */
  readonly types?: readonly string[]
  /** Only what one of these Lists, by id, refers to; what may not be seen lists nothing. */
  readonly lists?: readonly string[]
  /** Versions made at this time or later, milliseconds since the epoch. */
  readonly since?: number
  /** Versions that were current at some time in [lo, hi), milliseconds since the epoch. */
  readonly at?: { readonly lo: number; readonly hi: number }
  readonly count: number
  /** Where the page before ended. */
  readonly cursor?: string
}

/** A version and how it came to be. */
export interface MadeVersion extends StoredVersion {
  /** How a client made it; `null`: no client did, or it is not known. */
  readonly method: Method | null
  readonly operation: string | null
  /** There was nothing before it, or what was there had been deleted. */
  readonly created: boolean
}

export interface History {
  /** The newest first. */
  readonly rows: MadeVersion[]
  /** Of all pages, where one resource is asked for; counting everything would cost more than it tells. */
  readonly total: number | null
  /** `cursor` of the next page; `null`: this is the last. */
  readonly next: string | null
}

/**
 * Permitted versions, one statement. A version is shown only where the condition holds for the resource as it is now, and
 * for the version with the labels and categories of both: what became sensitive is so in its past, too, and what was
 * sensitive once stays so.
 */
export async function history(
  database: Database,
  index: BlindIndex,
  query: HistoryQuery,
  filter: RowFilter,
): Promise<History> {
  const context = JSON.stringify(['history', query.type ?? '*', query.id ?? '*'])
  const from = query.cursor === undefined ? undefined : placeIn(index.cursors.openText(query.cursor, context))
  const parameters = new Parameters()
  const versions = versionsOf(query, filter, parameters)
  const beyond =
    from === undefined
      ? ''
      : `AND (r.last_updated, r.pk, r.version) < (${from.map((part) => parameters.bind(part)).join(', ')})`
  const total = query.id === undefined ? 'NULL::bigint' : '(SELECT count(*) FROM permitted)'
  const { rows } = await database.query<SqlVersion & Made & { total: bigint | null }>(
    `WITH permitted AS ${query.id === undefined ? 'NOT MATERIALIZED' : ''} (
       SELECT r.* FROM (${versions}) r WHERE ${parameters.filter(filter)}
     )
     SELECT ${total} AS total, r.* FROM permitted r WHERE true ${beyond}
     ORDER BY r.last_updated DESC, r.pk DESC, r.version DESC LIMIT ${parameters.bind(query.count + 1)}`,
    parameters.values,
  )
  const page = rows.slice(0, query.count)
  const last = page.at(-1)
  return {
    rows: page.map((row) => ({
      ...storedVersion(row),
      method: row.method,
      operation: row.operation,
      created: row.created,
    })),
    total: query.id === undefined ? null : Number(rows[0]?.total ?? 0),
    next: last && rows.length > query.count ? index.cursors.sealText(textOf(last), context) : null,
  }
}

function versionsOf(
  { type, id, types, lists, since, at }: HistoryQuery,
  filter: RowFilter,
  parameters: Parameters,
): string {
  const conditions = [parameters.filter(filter)]
  if (type !== undefined) conditions.push(`r.type = ${parameters.bind(type)}`)
  if (id !== undefined) conditions.push(`r.id = ${parameters.bind(id)}`)
  if (types !== undefined) conditions.push(`r.type = ANY(${parameters.bind(types)}::text[])`)
  if (lists !== undefined) {
    conditions.push(`(r.type, r.id) IN (SELECT f.target_type, f.target_id FROM reference f JOIN resource r ON r.pk = f.source_pk
      WHERE f.parameter = ${parameters.bind(referenceParameter('List', 'item'))} AND r.type = 'List' AND NOT r.deleted
        AND r.id = ANY (${parameters.bind(lists)}::text[]) AND (${parameters.filter(filter)}))`)
  }
  if (since !== undefined) conditions.push(`v.last_updated >= ${parameters.bind(since)}`)
  if (at !== undefined) {
    conditions.push(
      `v.last_updated < ${parameters.bind(at.hi)}`,
      `NOT EXISTS (SELECT FROM resource_version n WHERE n.resource_pk = v.resource_pk AND n.version > v.version
        AND n.last_updated <= ${parameters.bind(at.lo)})`,
    )
  }
  return `SELECT ${OLD_VERSION_COLUMNS}, v.method, v.operation, v.version = 1 OR EXISTS (SELECT FROM resource_version b
      WHERE b.resource_pk = v.resource_pk AND b.version = v.version - 1 AND b.deleted) AS created
    FROM resource r JOIN resource_version v ON v.resource_pk = r.pk
    WHERE ${conditions.join(' AND ')}`
}

type Made = Pick<MadeVersion, 'method' | 'operation' | 'created'>

/** Last change in milliseconds, key and version of the last row of a page. */
type Place = readonly [lastUpdated: bigint, pk: bigint, version: number]

function textOf({ last_updated, pk, version }: SqlVersion): string {
  return [last_updated, pk, version].join('.')
}

function placeIn(text: string): Place {
  const [lastUpdated = '', pk = '', version] = text.split('.')
  return [BigInt(lastUpdated), BigInt(pk), Number(version)]
}

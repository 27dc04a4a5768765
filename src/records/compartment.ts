import { byteaArray, int8Array } from './array-parameter.js'
import type { BlindIndex } from './blind-index.js'
import type { Database } from './database.js'
import { bytesOf } from './hex.js'
import { Parameters } from './parameters.js'
import { type SqlVersion, storedVersion, VERSION_COLUMNS } from './stored-version.js'
import type { Hex, RowFilter, StoredVersion } from './types.js'

/** The current resources in a patient's compartment, or in that of any patient. */
export interface CompartmentQuery {
  /** Absent: of every patient. */
  readonly patient?: Hex
  readonly types: readonly string[]
  /** Changed at this time or later, milliseconds since the epoch. */
  readonly since?: number
  readonly dated?: DatedBy
  readonly count: number
  /** Where the page before ended. */
  readonly cursor?: string
  /** How many resources of nobody's compartment that the page refers to come along at most. */
  readonly related: number
}

/** Resources of which one of these dates lies in [lo, hi) in part, and those that have none of them. Milliseconds since the epoch. */
export interface DatedBy {
  readonly lo: number
  readonly hi: number
  /** Search parameters of the kind date. */
  readonly parameters: readonly { readonly type: string; readonly param: string }[]
}

export interface CompartmentPage {
  /** In the order of their making: the Patient is older than what is about it. */
  readonly rows: readonly StoredVersion[]
  /** What they refer to and what is in nobody's compartment, such as practitioners. */
  readonly related: readonly StoredVersion[]
  /** Of all pages, without what is related. */
  readonly total: number
  readonly next: string | null
}

/** One statement. The condition holds for every row that is counted, shown, or comes along. */
export async function compartment(
  database: Database,
  index: BlindIndex,
  query: CompartmentQuery,
  filter: RowFilter,
): Promise<CompartmentPage> {
  const parameters = new Parameters()
  const permitted = parameters.filter(filter)
  const types = `r.type = ANY(${parameters.bind(query.types)}::text[])`
  const inside = [
    'NOT r.deleted',
    query.patient === undefined ? 'r.patient IS NOT NULL' : `r.patient = ${parameters.bind(bytesOf(query.patient))}`,
    types,
    ...(query.since === undefined ? [] : [`r.last_updated >= ${parameters.bind(query.since)}`]),
    ...(query.dated === undefined ? [] : [datedBy(index, query.dated, parameters)]),
    permitted,
  ].join(' AND ')
  const context = JSON.stringify(['compartment', query.patient ?? '*'])
  const from = query.cursor === undefined ? undefined : BigInt(index.cursors.openText(query.cursor, context))
  const beyond = from === undefined ? '' : `AND r.pk > ${parameters.bind(from)}`
  const limit = parameters.bind(query.count + 1)
  const count = parameters.bind(query.count)
  const related = parameters.bind(query.related)
  const { rows } = await database.query<SqlVersion & { total: bigint; related: boolean }>(
    `WITH page AS (SELECT r.pk FROM resource r WHERE ${inside} ${beyond} ORDER BY r.pk LIMIT ${limit}),
     shown AS (SELECT pk FROM page ORDER BY pk LIMIT ${count}),
     beside AS (
       SELECT r.pk FROM resource r WHERE (r.type, r.id) IN (
         SELECT f.target_type, f.target_id FROM reference f JOIN shown ON f.source_pk = shown.pk
       ) AND NOT r.deleted AND r.patient IS NULL AND ${types} AND ${permitted} LIMIT ${related}
     )
     SELECT (SELECT count(*) FROM resource r WHERE ${inside}) AS total, p.related, ${VERSION_COLUMNS}
     FROM (SELECT pk, false AS related FROM page UNION ALL SELECT pk, true FROM beside) p
     JOIN resource r ON r.pk = p.pk
     JOIN resource_version v ON v.resource_pk = r.pk AND v.version = r.version
     ORDER BY p.related, r.pk`,
    parameters.values,
  )
  const found = rows.filter((row) => !row.related)
  const page = found.slice(0, query.count)
  const last = page.at(-1)
  return {
    rows: page.map(storedVersion),
    related: rows.filter((row) => row.related).map(storedVersion),
    total: Number(rows[0]?.total ?? 0),
    next: last && found.length > query.count ? index.cursors.sealText(String(last.pk), context) : null,
  }
}

function datedBy(index: BlindIndex, { lo, hi, parameters: dates }: DatedBy, parameters: Parameters): string {
  const keys = dates.map(({ type, param }) => index.parameter(type, param))
  const ends = (at: number): string =>
    `${parameters.bind(byteaArray(keys.map((key) => index.orderedDate(key, at))))}::bytea[]`
  const named = `${parameters.bind(int8Array(keys))}::bigint[]`
  return `(NOT EXISTS (SELECT FROM ordered o WHERE o.resource_pk = r.pk AND o.parameter = ANY(${named}))
    OR EXISTS (SELECT FROM ordered o JOIN unnest(${named}, ${ends(lo)}, ${ends(hi)}) AS d(parameter, lo, hi)
      ON o.parameter = d.parameter WHERE o.resource_pk = r.pk AND o.lo < d.hi AND o.hi > d.lo))`
}

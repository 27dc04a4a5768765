import type { BlindIndex } from './blind-index.js'
import type { Place } from './cursor.js'
import { referenceParameter } from './index-names.js'
import type { Parameters } from './parameters.js'
import type { SortKey } from './search-query.js'
import type { Ranks } from './token-names.js'
import { ROW_COLUMNS } from './stored-version.js'
import { Visible } from './visible.js'

/** Label bit of the trail, as in the index `resource_newest`. */
const TRAIL = '4611686018427387904'

/** How the rows of a page are found; columns `k0 …` are what they are sorted by. */
export interface Paging {
  /** The page's rows of `resource`, one more than it shows. */
  rows(condition: string, limit: string): string
  /** Of rows `p` of the page. */
  readonly order: string
  /** A condition on what a later page counts, beginning with AND. */
  readonly counted: string
  /** True in the SQL if the order that the first page began cannot be gone on with. */
  lost(condition: string): string
}

export function pagingFor(
  index: BlindIndex,
  parameters: Parameters,
  type: string,
  sort: readonly SortKey[],
  from: Place | undefined,
  near: number | null = null,
  ranks: readonly (Ranks | undefined)[] = [],
): Paging {
  const [first] = sort
  const byChange = first === undefined || (sort.length === 1 && first.by === 'lastUpdated')
  return byChange
    ? new PagingByChange(parameters, from, first !== undefined && !first.descending, near)
    : new PagingByKeys(index, parameters, type, sort, from, ranks)
}

/**
 * Pages by (last change, key) over what the first page's snapshot could see, so that concurrent writes neither repeat
 * nor hide a row. A row that was changed since has moved in the order; it is shown, as it is now, at the place that it had
 * in the snapshot. Rows made since are left out; rows deleted or revoked since are gone.
 */
class PagingByChange implements Paging {
  readonly order: string
  readonly counted: string
  readonly #direction: 'ASC' | 'DESC'
  readonly #visible: Visible | undefined
  readonly #from: { place: string; pk: string } | undefined

  /** @param near how many rows to go through in their order before all that match are looked for; `null`: none */
  constructor(
    private readonly parameters: Parameters,
    from: Place | undefined,
    ascending: boolean,
    private readonly near: number | null,
  ) {
    this.#direction = ascending === (from?.back ?? false) ? 'DESC' : 'ASC'
    this.order = `p.k0 ${this.#direction}, p.pk ${this.#direction}`
    this.#visible = from && new Visible(parameters, from.snapshot)
    this.counted = this.#visible ? ` AND ${this.#visible.existedThen()}` : ''
    this.#from = from && { place: parameters.bind(BigInt(from.keys[0] ?? '0')), pk: parameters.bind(from.pk) }
  }

  rows(condition: string, limit: string): string {
    if (this.#visible === undefined || this.#from === undefined) return this.#unchanged(condition, 'true', limit)
    const order = (place: string): string => this.#order(place, limit)
    const sign = this.#direction === 'ASC' ? '>' : '<'
    const beyond = (place: string): string =>
      `(${place}, r.pk) ${sign} (${this.#from?.place}::bigint, ${this.#from?.pk}::bigint)`
    const unchanged = `${condition} AND ${this.#visible.ended('r.xid')}`
    return `(${this.#unchanged(unchanged, beyond('r.last_updated'), limit)})
      UNION ALL
      (SELECT ${ROW_COLUMNS}, old.last_updated AS k0 FROM resource r CROSS JOIN LATERAL (
          SELECT v.last_updated, v.deleted FROM resource_version v
          WHERE v.resource_pk = r.pk AND ${this.#visible.ended('v.xid')} ORDER BY v.version DESC LIMIT 1) old
        WHERE ${condition} AND r.xid >= ${this.#visible.xmin}::bigint AND NOT ${this.#visible.ended('r.xid')}
          AND NOT old.deleted AND ${beyond('old.last_updated')} ${order('k0')})
      ${order('k0')}`
  }

  #order(place: string, limit: string): string {
    return `ORDER BY ${place} ${this.#direction}, pk ${this.#direction} LIMIT ${limit}`
  }

  /** If the rows that are near have a whole page among them, no others are looked at. The index of their order has no trail. */
  #unchanged(condition: string, beyond: string, limit: string): string {
    const rows = (of: string, where: string): string =>
      `SELECT ${ROW_COLUMNS}, r.last_updated AS k0 FROM ${of} r WHERE ${where} ${this.#order('last_updated', limit)}`
    if (this.near === null) return rows('resource', `${condition} AND ${beyond}`)
    const near = `(SELECT * FROM resource r WHERE NOT r.deleted AND (r.labels & ${TRAIL}) <> ${TRAIL} AND ${beyond}
      ${this.#order('last_updated', this.parameters.bind(this.near))})`
    const found = '(SELECT count(*) FROM near)'
    return `WITH near AS MATERIALIZED (${rows(near, condition)})
      SELECT * FROM near WHERE ${found} >= ${limit}
      UNION ALL (${rows('resource', `${found} < ${limit} AND ${condition} AND ${beyond}`)})`
  }

  lost(): string {
    return 'false'
  }
}

/**
 * Pages by any keys, rows without a value last. What a changed row was sorted by before is not kept, so where a row that
 * would be shown was changed since the first page the order is lost: the search must be begun again, rather than repeat a
 * row or miss one. Rows made since are left out; rows deleted or revoked since are gone.
 */
class PagingByKeys implements Paging {
  readonly order: string
  readonly counted: string
  readonly #keys: readonly { sql: string; cast: string; descending: boolean }[]
  readonly #from: { keys: readonly (string | null)[]; pk: string } | undefined
  readonly #back: boolean
  readonly #visible: Visible | undefined

  constructor(
    index: BlindIndex,
    parameters: Parameters,
    type: string,
    sort: readonly SortKey[],
    from: Place | undefined,
    ranks: readonly (Ranks | undefined)[],
  ) {
    this.#back = from?.back ?? false
    this.#keys = sort.map((key, i) => ({
      ...keyColumn(index, parameters, type, key, ranks[i]),
      descending: key.descending,
    }))
    const columns = this.#keys.map((key, i) => `p.k${i} ${this.#direction(key.descending)}`)
    this.order = [...columns, `p.pk ${this.#back ? 'DESC' : 'ASC'}`].join(', ')
    this.#visible = from && new Visible(parameters, from.snapshot)
    this.counted = this.#visible ? ` AND ${this.#visible.existedThen()}` : ''
    this.#from = from && {
      keys: from.keys.map((key, i) => (key === null ? null : this.#bind(parameters, key, i))),
      pk: `${parameters.bind(from.pk)}::bigint`,
    }
  }

  rows(condition: string, limit: string): string {
    const columns = this.#keys.map(({ sql }, i) => `${sql} AS k${i}`)
    const visible = this.#visible ? ` AND ${this.#visible.ended('r.xid')}` : ''
    const from = this.#from ? `WHERE ${this.#beyond(this.#from.keys, this.#from.pk)}` : ''
    return `SELECT * FROM (SELECT ${ROW_COLUMNS}, ${columns.join(', ')} FROM resource r WHERE ${condition}${visible}) p
      ${from} ORDER BY ${this.order} LIMIT ${limit}`
  }

  lost(condition: string): string {
    if (this.#visible === undefined) return 'false'
    return `EXISTS (SELECT 1 FROM resource r WHERE ${condition} AND ${this.#visible.changedSince()})`
  }

  /** Rows without a value come last going on, and so first going back. */
  #direction(descending: boolean): string {
    return `${descending === this.#back ? 'ASC' : 'DESC'} NULLS ${this.#back ? 'FIRST' : 'LAST'}`
  }

  #bind(parameters: Parameters, key: string, i: number): string {
    const { cast } = this.#keys[i] ?? { cast: 'text' }
    return `${parameters.bind(cast === 'bytea' ? Buffer.from(key, 'hex') : key)}::${cast}`
  }

  /** The row lies behind the place: equal in some of the keys, and behind in the next. */
  #beyond(at: readonly (string | null)[], pk: string): string {
    const equal = (i: number): string => (at[i] === null ? `p.k${i} IS NULL` : `p.k${i} = ${at[i]}`)
    const alternatives = this.#keys.map((key, i) => [
      ...at.slice(0, i).map((_, before) => equal(before)),
      this.#behind(`p.k${i}`, at[i] ?? null, key.descending === this.#back),
    ])
    alternatives.push([...at.map((_, i) => equal(i)), `p.pk ${this.#back ? '<' : '>'} ${pk}`])
    return alternatives.map((conditions) => `(${conditions.join(' AND ')})`).join(' OR ')
  }

  #behind(column: string, at: string | null, ascending: boolean): string {
    if (at === null) return this.#back ? `${column} IS NOT NULL` : 'false'
    const value = `${column} ${ascending ? '>' : '<'} ${at}`
    return this.#back ? value : `(${value} OR ${column} IS NULL)`
  }
}

function keyColumn(
  index: BlindIndex,
  parameters: Parameters,
  type: string,
  { by, param, descending }: SortKey,
  ranks: Ranks | undefined,
): { sql: string; cast: string } {
  if (by === 'lastUpdated') return { sql: 'r.last_updated', cast: 'bigint' }
  if (by === 'id') return { sql: 'r.id COLLATE "C"', cast: 'text' }
  if (by === 'name') return { sql: nameColumn(parameters, ranks, descending), cast: 'integer' }
  if (by === 'reference') return { sql: referenceColumn(index, parameters, type, param, descending), cast: 'bytea' }
  const parameter = parameters.bind(by === 'text' ? index.sortParameter(type, param) : index.parameter(type, param))
  const [column, direction] = descending ? ['hi', 'DESC'] : ['lo', 'ASC']
  const rows = `SELECT o.${column} FROM ordered o WHERE o.resource_pk = r.pk AND o.parameter = ${parameter}`
  return { sql: `(${rows} ORDER BY o.${column} ${direction} LIMIT 1)`, cast: 'bytea' }
}

/** The order of values comes with the question, as a number for each token: the rows have no trace of it. */
function nameColumn(parameters: Parameters, ranks: Ranks | undefined, descending: boolean): string {
  if (ranks === undefined || ranks.size === 0) return 'NULL::integer'
  const places = parameters.bind(JSON.stringify(Object.fromEntries(ranks)))
  return `(SELECT ${descending ? 'max' : 'min'}((${places}::jsonb ->> t.token::text)::integer) FROM unnest(r.tokens) AS t(token))`
}

/** What is referred to here comes before what is elsewhere: rows of `reference` have it as it is, and `ordered` the URLs. */
function referenceColumn(
  index: BlindIndex,
  parameters: Parameters,
  type: string,
  param: string,
  descending: boolean,
): string {
  return `(SELECT x.place FROM (
      SELECT '\\x00'::bytea || convert_to(f.target_type || '/' || f.target_id, 'UTF8') AS place FROM reference f
      WHERE f.source_pk = r.pk AND f.parameter = ${parameters.bind(referenceParameter(type, param))}
      UNION ALL
      SELECT '\\x01'::bytea || o.${descending ? 'hi' : 'lo'} FROM ordered o
      WHERE o.resource_pk = r.pk AND o.parameter = ${parameters.bind(index.sortParameter(type, param))}
    ) x ORDER BY x.place ${descending ? 'DESC' : 'ASC'} LIMIT 1)`
}

import { textArray } from './array-parameter.js'
import type { BlindIndex } from './blind-index.js'
import { ClauseCompiler } from './clauses.js'
import type { Database } from './database.js'
import { Parameters } from './parameters.js'
import type { Include, IncludeQuery } from './search-query.js'
import { type SqlVersion, storedVersion, VERSION_COLUMNS } from './stored-version.js'
import type { RowFilter, StoredVersion } from './types.js'

export interface Included {
  readonly rows: StoredVersion[]
  /** There is more than was asked for. */
  readonly more: boolean
}

/**
 * What the rows of a page refer to, or what refers to them, in one statement however many rounds: every row on the way is
 * held to the consent condition, so that nothing is found through what may not be seen. Rows of the page itself are not
 * told again.
 */
export async function include(
  database: Database,
  index: BlindIndex,
  query: IncludeQuery,
  filter: RowFilter,
): Promise<Included> {
  if (query.includes.length === 0 || query.from.length === 0) return { rows: [], more: false }
  const { text, values } = compileInclude(index, query, filter)
  const { rows } = await database.query<SqlVersion>(text, values)
  return { rows: rows.slice(0, query.most).map(storedVersion), more: rows.length > query.most }
}

export function compileInclude(index: BlindIndex, query: IncludeQuery, filter: RowFilter) {
  const parameters = new Parameters()
  const compiler = new ClauseCompiler(index, parameters, parameters.filter(filter))
  const within = query.within.map(({ type, clauses }) => `(${compiler.condition(type, clauses)})`)
  const open = `(${compiler.permitted} AND r.type = ANY (${parameters.bind(textArray(query.types))}::text[]))`
  // once in the text of each step, but bound once
  const condition = `NOT r.deleted AND (${[open, ...within].join(' OR ')})`
  const names = query.from.map(({ type, id }) => [type, id] as const)
  const types = parameters.bind(textArray(names.map(([type]) => type)))
  const ids = parameters.bind(textArray(names.map(([, id]) => id)))
  const levels = [
    `l0 AS (SELECT r.pk, r.type, r.id FROM unnest(${types}::text[], ${ids}::text[]) AS i(type, id)
      JOIN resource r ON r.type = i.type AND r.id = i.id)`,
  ]
  let includes = query.includes
  for (let round = 1; round <= query.rounds && includes.length > 0; round++) {
    const steps = includes.map((each) => step(parameters, each, `l${round - 1}`, condition))
    // a level is bounded too, lest the next one be made of more than can be shown
    levels.push(`l${round} AS MATERIALIZED (SELECT DISTINCT s.pk, s.type, s.id FROM (${steps.join(' UNION ALL ')}) s
      LIMIT ${parameters.bind(query.most + query.from.length + 1)})`)
    includes = query.includes.filter(({ iterate }) => iterate)
  }
  const found = levels.slice(1).map((_, i) => `SELECT pk FROM l${i + 1}`)
  const limit = parameters.bind(query.most + 1)
  return {
    text: `WITH ${levels.join(', ')}
      SELECT ${VERSION_COLUMNS} FROM (${found.join(' UNION ')} EXCEPT SELECT pk FROM l0) f
      JOIN resource r ON r.pk = f.pk JOIN resource_version v ON v.resource_pk = r.pk AND v.version = r.version
      ORDER BY r.pk LIMIT ${limit}`,
    values: parameters.values,
  }
}

function step(parameters: Parameters, each: Include, level: string, condition: string): string {
  const { reverse, source, target } = each
  const conditions = [condition]
  if (each.parameters !== null) {
    conditions.push(`f.parameter = ANY (${parameters.bind(textArray(each.parameters))}::text[])`)
  }
  if (target !== undefined) conditions.push(`f.target_type = ${parameters.bind(target)}`)
  const [from, to] = reverse
    ? ['f.target_id = s.id AND f.target_type = s.type', 'r.pk = f.source_pk']
    : ['f.source_pk = s.pk', 'r.type = f.target_type AND r.id = f.target_id']
  if (source !== undefined) conditions.push(`${reverse ? 'r' : 's'}.type = ${parameters.bind(source)}`)
  return `SELECT r.pk, r.type, r.id FROM ${level} s JOIN reference f ON ${from} JOIN resource r ON ${to}
    WHERE ${conditions.join(' AND ')}`
}

import { type GraphQLFieldConfigArgumentMap, GraphQLInt, GraphQLString } from 'graphql'
import { scalarOf } from './scalars.js'
import type { ElementRow, GraphqlTable } from './table.js'

/**
 * Arguments of a repeating element (https://hl7.org/fhir/R4/graphql.html#list): `fhirpath`, `_offset`, `_count`, and each
 * primitive of the element to select by, as `name(use: official)`.
 */
export function listArguments(
  elements: readonly ElementRow[],
  types: GraphqlTable['types'],
): GraphQLFieldConfigArgumentMap {
  const args: GraphQLFieldConfigArgumentMap = {
    fhirpath: { type: GraphQLString },
    _offset: { type: GraphQLInt },
    _count: { type: GraphQLInt },
  }
  for (const [name, , max, codes] of elements) {
    const [code] = codes
    if (max !== 1 || codes.length !== 1 || typeof code !== 'string') continue
    if (code.startsWith('#') || types[code] !== undefined || name.endsWith('[x]')) continue
    args[name] = { type: scalarOf(code) }
  }
  return args
}

/** "If a filter is applied, the offset and count apply to the filtered list." FHIR has no empty lists: nothing is null. */
export function selectElements(
  list: unknown,
  { fhirpath, ...args }: Readonly<Record<string, unknown>>,
  meeting: (expression: unknown, elements: readonly unknown[]) => readonly unknown[],
): unknown {
  if (!Array.isArray(list)) return list
  const { _offset, _count, ...filters } = args
  const wanted = Object.entries(filters).filter(([, value]) => value !== undefined && value !== null)
  const same = (list as unknown[]).filter((element) =>
    wanted.every(([name, value]) => isSame((element as Readonly<Record<string, unknown>> | null)?.[name], value)),
  )
  const kept = meeting(fhirpath, same)
  const from = typeof _offset === 'number' && _offset > 0 ? _offset : 0
  const selected = typeof _count === 'number' ? kept.slice(from, from + Math.max(_count, 0)) : kept.slice(from)
  return selected.length === 0 ? undefined : selected
}

/** `wanted` went through a scalar, so it is a text, a number or a boolean. */
function isSame(value: unknown, wanted: unknown): boolean {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') return false
  return `${value}` === `${wanted as string}`
}

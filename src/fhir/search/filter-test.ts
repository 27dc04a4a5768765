import { dateRange } from './date-range.js'
import { type ClauseContext, parseFilter, parseMissing, wordsParser } from './parse-clause.js'
import type { Clause, FilterKind } from '../../clauses/clause.js'
import { FULL_TEXT_PARAMETERS } from './full-text.js'
import { Refusal } from './refusal.js'
import { isSingle } from './single.js'
import type { SearchParameter } from './table.js'

/** https://hl7.org/fhir/R4/search_filter.html#ops */
const OPERATORS = [
  ...['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'lt', 'ge', 'le', 'ap', 'sa', 'eb', 'pr', 'po', 'ss', 'sb', 'in', 'ni', 're'],
] as const

export function isOperator(text: string): boolean {
  return OPERATORS.some((operator) => operator === text)
}

/** "The codes loinc, snomed, rxnorm and ucum are predefined and can be used in place of their associated full namespace." */
const NAMESPACES: Readonly<Record<string, string>> = {
  loinc: 'http://loinc.org',
  snomed: 'http://snomed.info/sct',
  rxnorm: 'http://www.nlm.nih.gov/research/umls/rxnorm',
  ucum: 'http://unitsofmeasure.org',
}

/** Operators that compare what has an order; a search writes them as a prefix of the value. */
const COMPARING: ReadonlySet<string> = new Set(['eq', 'ne', 'gt', 'lt', 'ge', 'le', 'ap', 'sa', 'eb'])
const ORDERED: ReadonlySet<FilterKind> = new Set(['date', 'number', 'quantity'])

/** Other operators by kind, as the modifier that asks the same. */
const AS_MODIFIER: Readonly<Partial<Record<FilterKind, Readonly<Record<string, string | undefined>>>>> = {
  string: { eq: undefined, co: 'contains', sw: undefined },
  // "the value subsumes a concept in the set", "is subsumed by a concept in the set"
  token: { eq: undefined, ss: 'below', sb: 'above', in: 'in', ni: 'not-in' },
  uri: { eq: undefined },
  reference: { eq: undefined, re: undefined },
  composite: { eq: undefined },
}

/**
 * One test of a `_filter`, as what a search would ask. `ne` is true of "an item in the set", which the tokens of a resource do not tell where there may
 * be several items; there it is refused.
 *
 * @throws Refusal naming the operators that a parameter of the kind is served with
 */
export function filterTest(
  type: string,
  parameter: SearchParameter,
  operator: string,
  value: string,
  context: ClauseContext,
): Clause | undefined {
  const { kind, code } = parameter
  if (kind === 'special' || FULL_TEXT_PARAMETERS.has(code) || wordsParser(parameter) !== undefined) {
    throw new Refusal('not-supported', `asks ${code}, which is a parameter of its own beside _filter`)
  }
  if (operator === 'pr') return parseMissing(parameter, value === 'true' ? 'false' : value === 'false' ? 'true' : value)
  if (ORDERED.has(kind) && COMPARING.has(operator)) {
    return parseFilter(type, parameter, undefined, `${operator}${literal(kind, value)}`, context)
  }
  if (kind === 'date' && operator === 'po') return overlapping(type, parameter, value, context)
  if (operator === 'ne' && isSingle(type, parameter)) {
    const equal = parseFilter(type, parameter, undefined, literal(kind, value), context)
    const there: Clause = { is: 'missing', param: code, kind, missing: false }
    return equal && { is: 'all', clauses: [there, { is: 'none', clause: equal }] }
  }
  const served = AS_MODIFIER[kind] ?? {}
  if (!Object.hasOwn(served, operator)) throw unserved(parameter, operator)
  const modifier = served[operator]
  const text = modifier === 'in' || modifier === 'not-in' ? escaped(value) : literal(kind, value)
  const clause = parseFilter(type, parameter, modifier, text, context)
  // "character sequence is the same (case insensitive)"
  return clause?.kind === 'string' && operator === 'eq' ? { ...clause, modifier: 'whole' } : clause
}

/** "A (implied) date period in the set overlaps with the implied period in the value": `ap` without what it adds to both ends. */
function overlapping(
  type: string,
  parameter: SearchParameter,
  value: string,
  context: ClauseContext,
): Clause | undefined {
  const range = dateRange(value)
  const clause = parseFilter(type, parameter, undefined, escaped(value), context)
  if (range === undefined || clause?.kind !== 'date') return clause
  return { ...clause, values: [{ prefix: 'ap', ...range }] }
}

/** One value, whatever it holds; tokens, quantities and composites have a form of their own inside. */
function literal(kind: FilterKind, value: string): string {
  if (kind === 'string' || kind === 'uri') return escaped(value)
  // also inside of quantities and composites
  const full = value.replace(/(?<=^|[|$])(?:loinc|snomed|rxnorm|ucum)(?=\|)/g, (name) => NAMESPACES[name] as string)
  return full.replaceAll(',', '\\,')
}

const escaped = (value: string): string => value.replace(/[\\,$|]/g, '\\$&')

function unserved({ code, kind }: SearchParameter, operator: string): Refusal {
  const served = [
    ...(ORDERED.has(kind) ? COMPARING : []),
    ...(kind === 'date' ? ['po'] : []),
    ...Object.keys(AS_MODIFIER[kind] ?? {}),
    'pr',
  ]
  const otherwise = operator === 'ne' ? `; write not (${code} eq …), for ${code} may have several values` : ''
  return new Refusal(
    'not-supported',
    `asks ${code}, a ${kind}, with ${operator}, which the index cannot answer; it answers ${served.join(', ')}${otherwise}`,
  )
}

import { type DateRange, dateRange } from './date-range.js'
import { decimalRange } from './decimal.js'
import { splitEscaped, unescape } from './escape.js'
import { foldContactPoint, foldText, normaliseString, textWords, trimSlashes, uriAncestors } from './normalise.js'
import type {
  DateValue,
  Modifier,
  NumberValue,
  Prefix,
  QuantityValue,
  StringValue,
  TokenValue,
  UriValue,
} from '../../clauses/clause.js'
import { Refusal } from './refusal.js'
import type { SearchParameter } from './table.js'
import { canonicalAmount } from './ucum.js'

const PREFIXED = /^(eq|ne|gt|lt|ge|le|sa|eb|ap)?([^]*)$/

function splitPrefix(text: string): { prefix: Prefix; rest: string } {
  const [, prefix = 'eq', rest = ''] = PREFIXED.exec(text) ?? []
  return { prefix: prefix as Prefix, rest }
}

/** @param now milliseconds since the epoch: `ap` takes 10% of the gap between it and the date */
export function parseDate(text: string, now: number): DateValue {
  const { prefix, rest } = splitPrefix(text)
  const range = dateRange(rest)
  if (range === undefined) {
    throw new Refusal(
      'value',
      'is not a date: write yyyy, yyyy-mm, yyyy-mm-dd or yyyy-mm-ddThh:mm[:ss[.sss]][Z|+hh:mm], with a prefix if any',
    )
  }
  if (prefix === 'ap') return { prefix, ...widened(range, now) }
  if (!FINER.test(rest)) return { prefix, ...range }
  return { prefix, lo: prefix === 'eb' ? range.lo : range.hi, hi: range.hi }
}

/** "10% of the gap between now and the date", https://hl7.org/fhir/R4/search.html#prefix */
function widened({ lo, hi }: DateRange, now: number): DateRange {
  const gap = (at: number): number => Math.round(Math.abs(now - at) / 10)
  return { lo: lo - gap(lo), hi: hi + gap(hi) }
}

/** An instant between two milliseconds: no indexed time lies in it, those of its millisecond begin before it. */
const FINER = /\.\d{3}\d*[1-9]/

export function parseNumber(text: string): NumberValue {
  const { prefix, rest } = splitPrefix(text)
  const range = decimalRange(rest)
  if (range === undefined) throw new Refusal('value', 'is not a number such as 5, 5.40 or 5.4e-3, with a prefix if any')
  return { prefix, ...range }
}

/** `[prefix]number`, `number|system|code` or `number||code`. */
export function parseQuantity(text: string): QuantityValue {
  const parts = splitEscaped(text, '|').map(unescape)
  const [amount = '', system = '', code = ''] = parts
  if (parts.length > 3) throw new Refusal('value', 'is not a quantity: write [prefix]number|system|code')
  const value = parseNumber(amount)
  const canonical = canonicalAmount(system, code, value) as QuantityValue['canonical']
  return {
    ...value,
    ...(system === '' ? {} : { system }),
    ...(code === '' ? {} : { code }),
    ...(canonical === undefined ? {} : { canonical }),
  }
}

export function parseString(text: string, modifier: Modifier | undefined): StringValue {
  const value = unescape(text)
  const normal = normaliseString(value)
  if (normal === '' && modifier !== 'exact') {
    throw new Refusal('value', 'has nothing but punctuation, which a search for text does not see')
  }
  return { value, normal }
}

/** Characters of a URL of which each place that it lies below is looked for. */
const LONGEST_BELOW = 2_000

export function parseUri(text: string, modifier: Modifier | undefined): UriValue {
  const value = unescape(text)
  if (modifier === 'below') return { value: trimSlashes(value) }
  if (modifier === 'above' && value.length > LONGEST_BELOW) {
    throw new Refusal('too-costly', `has more than the ${LONGEST_BELOW} characters that are served with :above`)
  }
  // what lies above may be written with or without a slash at its end
  return modifier === 'above' ? { value, above: uriAncestors(value).flatMap((each) => [each, `${each}/`]) } : { value }
}

/** Data types whose tokens have a system. */
const WITH_SYSTEM: ReadonlySet<string> = new Set(['code', 'Coding', 'CodeableConcept', 'Identifier'])

export function parseToken(text: string, parameter: SearchParameter, modifier: Modifier | undefined): TokenValue {
  if (modifier === 'text') {
    const words = textWords(unescape(text))
    if (words.length === 0) throw new Refusal('value', 'has no word to search a text for')
    return { text: words }
  }
  const parts = splitEscaped(text, '|').map(unescape)
  if (modifier === 'of-type') {
    const [typeSystem = '', typeCode = '', code = ''] = parts
    if (parts.length === 3 && typeSystem !== '' && typeCode !== '' && code !== '') return { typeSystem, typeCode, code }
    throw new Refusal('value', 'needs all three parts of system|code|value with :of-type')
  }
  const [system, code] = parts
  if (parts.length === 1) return { code: comparable(system ?? '', parameter) }
  if (parts.length > 2) throw new Refusal('value', 'is not a token: write code, system|code, |code or system|')
  if (parameter.paths.length > 0 && !parameter.paths.some(([, type]) => WITH_SYSTEM.has(type))) {
    throw new Refusal('value', 'has no system, so it is searched by the value alone, without |')
  }
  if (!system && !code) throw new Refusal('value', 'is empty on both sides of |')
  return {
    system: system === '' ? null : (system ?? null),
    ...(code === '' || code === undefined ? {} : { code: comparable(code, parameter) }),
  }
}

/** The form in which the index holds the code, see read-token.ts. */
function comparable(code: string, { code: param, paths }: SearchParameter): string {
  if (param === '_id') return code // "matches on _id are always case sensitive"
  if (paths.length === 0 || paths.some(([, type]) => type !== 'string' && type !== 'ContactPoint')) return code
  return paths.every(([, type]) => type === 'string') ? foldText(code) : foldContactPoint(code)
}

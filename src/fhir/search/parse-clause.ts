import { isResourceType } from '../definitions/structures.js'
import { type CodesOf, codesFor } from './coded.js'
import { splitEscaped, unescape } from './escape.js'
import { FULL_TEXT_PARAMETERS, parseFullText } from './full-text.js'
import { parseReferenceValue, typeModifier } from './parse-reference-value.js'
import { parseDate, parseNumber, parseQuantity, parseString, parseToken, parseUri } from './parse-value.js'
import type { Clause, CompositeValue, Filter, FilterKind, Modifier, TokenValue } from '../../clauses/clause.js'
import { isPhonetic, parseSounds } from './phonetic.js'
import { parseNear } from './position.js'
import { printable, Refusal } from './refusal.js'
import { modifiersServed } from './served.js'
import { type SearchParameter, searchParametersOf } from './table.js'

export interface ClauseContext {
  /** FHIR base of this server, for absolute references to its own resources. */
  readonly base: string | undefined
  /** What is left of the allowed number of values. */
  readonly budget: { values: number; steps: number; references: number }
  /** References that one chain may still go through. */
  readonly depth: number
  /** What budget and depth were at first, for messages. */
  readonly limits: { readonly values: number; readonly references: number; readonly depth: number }
  readonly terminology: () => CodesOf
  /** Milliseconds since the epoch. */
  readonly now: number
  /** The search is of several types: it takes what all of them have. */
  readonly several?: boolean
  /** Codes that this server serves for a type, for the message. */
  readonly servedCodes: (type: string) => readonly string[]
}

/** The modifiers of R4 by kind, https://hl7.org/fhir/R4/search.html#modifiers; `missing` and `[type]` apart. */
const MODIFIERS: Readonly<Record<FilterKind, readonly Modifier[]>> = {
  token: ['text', 'not', 'above', 'below', 'in', 'not-in', 'of-type'],
  string: ['exact', 'contains', 'text'],
  uri: ['above', 'below'],
  reference: ['identifier', 'above', 'below'],
  date: [],
  number: [],
  quantity: [],
  composite: [],
  special: [],
}

/**
 * Parses `name=value` for a type: a parameter with its modifier, a chain (`subject:Patient.name`) or a reverse
 * chain (`_has:Observation:patient:code`), nested as deep as the budget allows.
 *
 * @returns undefined if the value is empty, which R4 ignores
 * @throws Refusal
 */
export function parseClause(type: string, name: string, value: string, context: ClauseContext): Clause | undefined {
  spendReferences(name, context)
  return parsePath(type, name, context, (of, parameter, modifier) => {
    if (modifier === 'missing') return parseMissing(parameter, value)
    const words = wordsParser(parameter)
    return words === undefined
      ? parseFilter(of, parameter, modifier, value, context)
      : parseWords(parameter, words, modifier, value, context)
  })
}

type WordsParser = (param: string, text: string, spend: () => void) => Clause

/** Of `_text`, `_content` and `phonetic`, where they are served; undefined for all others. */
export function wordsParser(parameter: SearchParameter): WordsParser | undefined {
  if (isPhonetic(parameter)) return parseSounds
  return FULL_TEXT_PARAMETERS.has(parameter.code) && parameter.paths.length > 0 ? parseFullText : undefined
}

function parseWords(
  parameter: SearchParameter,
  parse: WordsParser,
  modifier: string | undefined,
  value: string,
  { budget, limits }: ClauseContext,
): Clause | undefined {
  if (modifier !== undefined) {
    throw new Refusal('not-supported', `has no modifier :${printable(modifier)}; ${parameter.code} has :missing`)
  }
  const texts = splitEscaped(value, ',').filter((text) => text.trim() !== '')
  if (texts.length === 0) return undefined
  const spend = (): void => {
    if (--budget.values < 0) throw tooManyValues(limits)
  }
  const clauses = texts.map((text) => parse(parameter.code, unescape(text), spend))
  return clauses.length === 1 ? clauses[0] : { is: 'any', clauses }
}

/** Each is a join, whose order the database thinks about: a hundred of them in one search take it half a minute. */
export function spendReferences(path: string, { budget, limits }: ClauseContext): void {
  budget.references -= path.match(/\.|_has:/g)?.length ?? 0
  if (budget.references < 0)
    throw new Refusal(
      'too-costly',
      `brings the search above the ${limits.references} references that its chains may have`,
    )
}

export function tooManyValues({ values }: ClauseContext['limits']): Refusal {
  return new Refusal('too-costly', `brings the search above the allowed number of values, ${values}`)
}

/** What is asked of the parameter at the end of a path, in each type that the path leads to. */
export type AtEnd = (type: string, parameter: SearchParameter, modifier: string | undefined) => Clause | undefined

/** Follows the chains of a name, forward and reverse, to the parameter at its end. @throws Refusal */
export function parsePath(type: string, name: string, context: ClauseContext, atEnd: AtEnd): Clause | undefined {
  if (--context.budget.steps < 0) throw new Refusal('too-costly', 'is chained through too many resources')
  if (name.startsWith('_has:')) return parseReverseChain(name, context, atEnd)
  const dot = name.indexOf('.')
  const head = dot < 0 ? name : name.slice(0, dot)
  const [code = '', modifier, ...more] = head.split(':')
  const parameter = searchParametersOf(type).get(code)
  if (parameter === undefined) throw unknownParameter(type, code, context)
  if (more.length > 0) throw new Refusal('invalid', 'has more than one modifier')
  return dot < 0
    ? atEnd(type, parameter, modifier)
    : parseChain(parameter, modifier, name.slice(dot + 1), context, atEnd)
}

/** Parameters of R4 that no SearchParameter defines and that are not served here, and why. */
const OF_R4: Readonly<Record<string, string>> = {
  _containedType: 'is not served: what is contained is found with the resource that contains it',
  _type: 'belongs to a search of the system or of a compartment; the type is in the path here',
  _score: 'is not served: what a search finds is not ranked',
  _has: 'needs the form _has:Type:reference:parameter',
}

function unknownParameter(type: string, code: string, { servedCodes, several }: ClauseContext): Refusal {
  const all =
    several === true ? ', and a search of several types takes what all of them have: name fewer with _type' : ''
  const served = `served for ${type} are ${servedCodes(type).join(', ')}`
  const why = Object.hasOwn(OF_R4, code) ? OF_R4[code] : undefined
  return why === undefined
    ? new Refusal(
        'not-supported',
        `is unknown: ${type} has no search parameter ${printable(code)}${all}; ${served}`,
        true,
      )
    : new Refusal('not-supported', why, true)
}

/** One reference further. */
function deeper(context: ClauseContext): ClauseContext {
  if (context.depth < 1) {
    throw new Refusal('too-costly', `is chained through too many references: ${context.limits.depth} at most`)
  }
  return { ...context, depth: context.depth - 1 }
}

function parseReverseChain(name: string, context: ClauseContext, atEnd: AtEnd): Clause | undefined {
  const [, type = '', param = '', ...rest] = name.split(':')
  if (rest.length === 0) throw new Refusal('invalid', 'is not of the form _has:Type:reference:parameter')
  if (!isResourceType(type)) throw new Refusal('invalid', `names ${printable(type)}, which is no resource type of R4`)
  const reference = searchParametersOf(type).get(param)
  if (reference === undefined) throw unknownParameter(type, param, context)
  if (reference.kind !== 'reference')
    throw new Refusal('invalid', `goes through ${type}.${param}, which is no reference`)
  const clause = parsePath(type, rest.join(':'), deeper(context), atEnd)
  return clause && { is: 'has', type, param, clause }
}

function parseChain(
  parameter: SearchParameter,
  modifier: string | undefined,
  rest: string,
  context: ClauseContext,
  atEnd: AtEnd,
): Clause | undefined {
  if (parameter.kind !== 'reference')
    throw new Refusal('invalid', `goes through ${parameter.code}, which is no reference`)
  const only = modifier === undefined ? undefined : typeModifier(modifier, parameter)
  if (modifier !== undefined && only === undefined) throw badModifier(parameter, modifier)
  const next = rest.startsWith('_has:') ? undefined : rest.split(/[.:]/)[0]
  const types = (only === undefined ? parameter.targets : [only]).filter(
    (type) => next === undefined || searchParametersOf(type).has(next),
  )
  if (types.length === 0) throw unknownParameter(only ?? parameter.targets.join(' or '), next ?? rest, context)
  const inner = deeper(context)
  const targets = types.flatMap((type) => {
    const clause = parsePath(type, rest, inner, atEnd)
    return clause === undefined ? [] : [{ type, clause }]
  })
  return targets.length === 0 ? undefined : { is: 'chain', param: parameter.code, targets }
}

/** `true` or `false`. @throws Refusal */
export function parseMissing({ code, kind }: SearchParameter, value: string): Clause | undefined {
  if (value === '') return undefined
  if (value !== 'true' && value !== 'false') throw new Refusal('value', 'must be true or false with :missing')
  return { is: 'missing', param: code, kind, missing: value === 'true' }
}

function badModifier(parameter: SearchParameter, modifier: string): Refusal {
  const { code, kind, targets } = parameter
  const types = targets.length > 0 && targets.length < 20 ? targets : []
  const known = [...modifiersServed(parameter), 'missing', ...types].map((name) => `:${name}`).join(', ')
  return new Refusal('not-supported', `has no modifier :${printable(modifier)}; ${code} is a ${kind} and has ${known}`)
}

/** `:contains` looks for each part of a text, which costs the database as much as so many values. */
const PARTS = 10
/** A place of `near` is a statement of its own. */
const PLACES = 100

/** @throws Refusal */
export function parseFilter(
  type: string,
  parameter: SearchParameter,
  modifier: string | undefined,
  value: string,
  context: ClauseContext,
): Filter | undefined {
  const { code: param, kind } = parameter
  const only = modifier === undefined ? undefined : typeModifier(modifier, parameter)
  const known = MODIFIERS[kind].find((name) => name === modifier)
  if (modifier !== undefined && only === undefined && known === undefined) throw badModifier(parameter, modifier)
  const texts = splitEscaped(value, ',').filter((text) => text !== '')
  if (texts.length === 0) return undefined
  context.budget.values -= texts.length * (known === 'contains' ? PARTS : kind === 'special' ? PLACES : 1)
  if (context.budget.values < 0) throw tooManyValues(context.limits)
  const head = { is: 'filter' as const, param, ...(known === undefined ? {} : { modifier: known }) }
  switch (kind) {
    case 'token':
      return { ...head, ...parseTokens(texts, parameter, known, context), kind }
    case 'string':
      return { ...head, kind, values: texts.map((text) => parseString(text, known)) }
    case 'uri':
      return { ...head, kind, values: texts.map((text) => parseUri(text, known)) }
    case 'reference':
      return {
        ...head,
        kind,
        values: texts.map((text) => parseReferenceValue(text, parameter, known, only, context.base)),
      }
    case 'date':
      return { ...head, kind, values: texts.map((text) => parseDate(text, context.now)) }
    case 'number':
      return { ...head, kind, values: texts.map(parseNumber) }
    case 'quantity':
      return { ...head, kind, values: texts.map(parseQuantity) }
    case 'composite':
      return { ...head, kind, values: texts.map((text) => parseComposite(type, parameter, text, context)) }
    case 'special':
      return { ...head, kind, values: texts.map(parseNear) }
  }
}

/** The terminological modifiers are turned into the codes that they stand for, so that no search needs a terminology. */
function parseTokens(
  texts: readonly string[],
  parameter: SearchParameter,
  modifier: Modifier | undefined,
  { terminology }: ClauseContext,
): { modifier?: Modifier; values: TokenValue[] } {
  if (modifier !== 'in' && modifier !== 'not-in' && modifier !== 'above' && modifier !== 'below') {
    return { values: texts.map((text) => parseToken(text, parameter, modifier)) }
  }
  return { modifier, values: texts.flatMap((text) => codesFor(text, modifier, terminology())) }
}

/** `part$part`, each with the form of the parameter that the definition names for it. */
function parseComposite(
  type: string,
  parameter: SearchParameter,
  text: string,
  context: ClauseContext,
): CompositeValue {
  const texts = splitEscaped(text, '$')
  const { components, kinds } = parameter
  if (texts.length !== components.length) {
    throw new Refusal('value', `needs ${components.length} parts joined by $: ${components.join('$')}`)
  }
  const parts = components.map((component, i) => {
    const part = searchParametersOf(type).get(component)
    const filter = part && parseFilter(type, part, undefined, texts[i] ?? '', context)
    if (filter === undefined) throw new Refusal('value', `has an empty part; it needs ${components.join('$')}`)
    if (filter.kind === 'token' && kinds.some(isOrdered) && filter.values.some(({ code }) => code === undefined)) {
      throw new Refusal('not-supported', 'needs a code in its first part, not a system alone')
    }
    return filter
  })
  return { parts }
}

const isOrdered = (kind: FilterKind): boolean => kind === 'date' || kind === 'number' || kind === 'quantity'

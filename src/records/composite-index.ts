import type { Filter, FilterOf, TokenValue } from '../clauses/clause.js'
import { type IndexBudget, ORDERED } from './index-budget.js'
import type { IndexValue } from './search-query.js'

/** What makes the tokens; the blind index. */
interface Tokens {
  token(kind: 'composite', type: string, param: string, value: string): bigint
}

type CompositeEntry = Extract<IndexValue, { kind: 'composite' }>
type Ordered = Extract<IndexValue, { kind: 'date' | 'number' | 'quantity' }>

const isOrdered = (kind: string): boolean => kind === 'date' || kind === 'number' || kind === 'quantity'

/** Longest value-string that is indexed with its code; a longer search is cut to it. */
const LONGEST = 32

/**
 * A composite of tokens, strings and references is one token for each way in which its parts may be asked for together.
 */
export function compositeTokens(
  index: Tokens,
  type: string,
  { param, parts }: CompositeEntry,
  budget: IndexBudget,
): bigint[] {
  if (parts.some((values) => values.some(({ kind }) => isOrdered(kind)))) return []
  const forms = parts.map((values) => values.flatMap(formsOf))
  budget.spend(waysOf(forms))
  return combinations(forms).map((each) => token(index, type, param, each))
}

/** How many combinations there are. */
function waysOf(lists: readonly (readonly unknown[])[]): number {
  return lists.reduce((ways, { length }) => ways * length, 1)
}

/** The tokens that a search asks for, one for each of its alternatives. */
export function askedTokens(index: Tokens, type: string, filter: FilterOf<'composite', { parts: readonly Filter[] }>) {
  return filter.values.flatMap(({ parts }) =>
    combinations(parts.map(askedForms)).map((forms) => token(index, type, filter.param, forms)),
  )
}

export function hasOrderedPart(parts: readonly { readonly kind: string }[]): boolean {
  return parts.some(({ kind }) => isOrdered(kind))
}

/**
 * A composite of a code and what has an order: ordered rows under a parameter of its own for each code, which must have the
 * token of the code with its system among their units.
 */
export function compositeRows(
  { param, parts }: CompositeEntry,
  budget: IndexBudget,
): { code: string; system: string | undefined; values: readonly Ordered[][]; param: string }[] {
  const [codes = [], ...rest] = parts
  if (!rest.some((values) => values.some(({ kind }) => isOrdered(kind)))) return []
  const lists = rest.map((values) => values.filter((value): value is Ordered => isOrdered(value.kind)))
  budget.spend(ORDERED * rest.length * codes.length * waysOf(lists))
  const ordered = combinations(lists)
  return codes.flatMap((value) =>
    value.kind === 'token' && value.code !== undefined
      ? [{ param, code: value.code, system: value.system, values: ordered }]
      : [],
  )
}

function token(index: Tokens, type: string, param: string, forms: readonly string[]): bigint {
  return index.token('composite', type, param, forms.map((form) => `${form.length}|${form}`).join(''))
}

function formsOf(value: IndexValue): string[] {
  switch (value.kind) {
    case 'token':
      if (value.code === undefined) return []
      return [
        form({ code: value.code }),
        form({ system: value.system ?? null, code: value.code }),
        ...(value.system === undefined ? [] : [form({ system: value.system })]),
      ]
    case 'string':
      return Array.from(
        { length: Math.min(value.normal.length, LONGEST) },
        (_, i) => `p${value.normal.slice(0, i + 1)}`,
      )
    case 'reference':
      return value.type === undefined || value.id === undefined ? [] : [`r${value.type}/${value.id}`]
    default:
      return []
  }
}

function askedForms(filter: Filter): string[] {
  switch (filter.kind) {
    case 'token':
      return filter.values.map(form)
    case 'string':
      return filter.values.map(({ normal }) => `p${normal.slice(0, LONGEST)}`)
    case 'reference':
      return filter.values.flatMap(({ types, id }) => (types ?? []).map((each) => `r${each}/${id}`))
    default:
      return []
  }
}

function form({ system, code }: TokenValue): string {
  if (system === undefined) return `c${code ?? ''}`
  return code === undefined ? `s${system ?? ''}` : `b${(system ?? '').length}|${system ?? ''}|${code}`
}

function combinations<T>(lists: readonly (readonly T[])[]): T[][] {
  return lists.reduce<T[][]>((found, list) => found.flatMap((before) => list.map((each) => [...before, each])), [[]])
}

import { cellsOf } from './cells.js'
import { compositeRows, compositeTokens } from './composite-index.js'
import { ascending, push, referenceName } from './entry-lists.js'
import { IndexBudget, ORDERED } from './index-budget.js'
import { type IndexNames, referenceParameter } from './index-names.js'
import { Memory } from './memory.js'
import type { CanonicalAmount, IndexValue } from './search-query.js'
import { SortRange } from './sort-range.js'
import { CONTAINING, LONGEST_PART, LONGEST_PREFIX, partsOf, prefixesOf } from './string-parts.js'
import type { IndexEntries, NameEntry, OrderedEntry, ReferenceEntry } from './types.js'

/**
 * Types whose index answers no `:missing`, `:contains`, `:text`, `:below` and no order of texts, because every request
 * writes one of them; searches refuse these (fhir/search/served.ts).
 */
const LEAN: ReadonlySet<string> = new Set(['AuditEvent'])

export const isLean = (type: string): boolean => LEAN.has(type)

/** Counted up when rows of a type are written otherwise than before, so that those from before are indexed anew. */
export function indexForm(type: string): number {
  return LEAN.has(type) ? 1 : 5
}

/** Codes and strings whose tokens are kept together; some kilobytes each. */
const REMEMBERED_LISTS = 8_192
/** Characters of a code or string whose tokens are kept: of longer ones they are too many, and it seldom comes again. */
const LONGEST_REMEMBERED = 64

/** Characters of a code and its system, or a URL, that are kept for an order; what is longer comes last. */
const LONGEST_NAME = 2_000

const NOTHING = new Uint8Array()

/** Names of lists of codes that are kept. */
const LISTS = { '': 'code', 'identifier-': 'identifier' }
const LISTS_WITHOUT_SYSTEM = { '': 'bare code', 'identifier-': 'bare identifier' }

/** Writes what search parameters find as what the database may hold. */
export class IndexWriter {
  /** All tokens of codes and strings that come again and again. */
  readonly #lists = new Memory<readonly bigint[]>(REMEMBERED_LISTS)

  constructor(private readonly names: IndexNames) {}

  entries(type: string, values: Iterable<IndexValue>): IndexEntries {
    const tokens: bigint[] = []
    const references = new Map<string, ReferenceEntry>()
    const ordered: OrderedEntry[] = []
    const names = new Map<bigint, NameEntry>()
    const sorted = new SortRange()
    const present = new Set<string>()
    const lean = LEAN.has(type)
    const budget = new IndexBudget()
    for (const value of values) {
      budget.spend(...costOf(value))
      if (!lean && !present.has(value.param)) {
        present.add(value.param)
        tokens.push(this.names.token('present', type, value.param, ''))
      }
      switch (value.kind) {
        case 'token':
          this.#addToken(tokens, type, value, lean)
          if (lean || value.code === undefined) break
          if (value.sort === 'text') sorted.add(value.param, value.code)
          if (value.sort === 'name') {
            const { system, code } = value
            const token = this.names.exactCode('', type, value.param, system ?? '', code)
            this.#addName(names, type, value.param, { token, system: system ?? null, code })
          }
          break
        case 'string':
          push(tokens, this.#tokensOfString(type, value, lean))
          if (!value.word && !lean) sorted.add(value.param, value.normal)
          break
        case 'uri':
          tokens.push(this.names.token('uri', type, value.param, value.value))
          if (lean) break
          for (const place of value.within ?? []) tokens.push(this.names.token('within', type, value.param, place))
          if (value.sort === 'text') sorted.add(value.param, value.value)
          if (value.sort === 'name') {
            const token = this.names.token('uri', type, value.param, value.value)
            this.#addName(names, type, value.param, { token, system: null, code: value.value })
          }
          break
        case 'reference':
          this.#addReference(tokens, references, type, value)
          if (value.url !== undefined && !lean) sorted.add(value.param, value.url)
          break
        case 'date': {
          const parameter = this.names.parameter(type, value.param)
          const [lo, hi] = this.names.orderedDates(parameter, value.lo, value.hi)
          ordered.push({ parameter, lo, hi, unit: null })
          break
        }
        case 'number':
          ordered.push({ ...this.#point(this.names.parameter(type, value.param), value.value), unit: null })
          break
        case 'quantity':
          ordered.push(this.#quantity(this.names.parameter(type, value.param), type, value))
          if (value.canonical) {
            const parameter = this.names.token('order-canonical', type, value.param, '')
            ordered.push(this.#canonical(parameter, type, value.param, value.canonical))
          }
          break
        case 'group': {
          const unit = value.members.map((member) => this.names.token('member', type, value.param, member))
          ordered.push({ parameter: this.names.groupParameter(type, value.param), lo: NOTHING, hi: NOTHING, unit })
          break
        }
        case 'position': {
          const { param, lat, lon } = value
          for (const cell of cellsOf(lat, lon)) tokens.push(this.names.token('cell', type, param, cell))
          const parameter = this.names.positionParameter(type, param)
          const lo = this.names.texts.seal(parameter, JSON.stringify([lat, lon]))
          ordered.push({ parameter, lo, hi: NOTHING, unit: null })
          break
        }
        case 'composite':
          push(tokens, compositeTokens(this.names, type, value, budget))
          for (const row of this.#compositeRows(type, value, budget)) ordered.push(row)
      }
    }
    for (const [param, { least, greatest }] of sorted.ranges) {
      const lo = this.names.orderedText(type, param, least)
      ordered.push({
        parameter: this.names.sortParameter(type, param),
        lo,
        hi: least === greatest ? lo : this.names.orderedText(type, param, greatest),
        unit: null,
      })
    }
    return { tokens: ascending(tokens), references: [...references.values()], ordered, names: [...names.values()] }
  }

  #addName(names: Map<bigint, NameEntry>, type: string, param: string, name: Omit<NameEntry, 'parameter'>): void {
    if (name.code.length + (name.system?.length ?? 0) > LONGEST_NAME || names.has(name.token)) return
    names.set(name.token, { ...name, parameter: this.names.sortParameter(type, param) })
  }

  #addToken(tokens: bigint[], type: string, value: Extract<IndexValue, { kind: 'token' }>, lean: boolean): void {
    const { param, system, code } = value
    if (code !== undefined) {
      push(tokens, this.#tokensOfCode('', type, param, system, code))
      if (lean) return
      for (const of of value.types ?? []) tokens.push(this.names.typedToken(type, param, of.system, of.code, code))
    } else if (system !== undefined) tokens.push(this.names.token('system', type, param, system))
    if (lean) return
    for (const word of value.words ?? []) tokens.push(this.names.token('word', type, param, word))
  }

  #compositeRows(type: string, value: Extract<IndexValue, { kind: 'composite' }>, budget: IndexBudget): OrderedEntry[] {
    return compositeRows(value, budget).flatMap(({ param, code, system, values }) => {
      const own = this.names.codeOfRow(type, param, system ?? '', code)
      const parameter = this.names.token('order-code', type, param, code)
      return values.flatMap((parts) => {
        const rows = parts.map((part): OrderedEntry => {
          if (part.kind === 'date') {
            const [lo, hi] = this.names.orderedDates(parameter, part.lo, part.hi)
            return { parameter, lo, hi, unit: [] }
          }
          if (part.kind === 'number') return { ...this.#point(parameter, part.value), unit: [] }
          return this.#quantity(parameter, type, { ...part, param })
        })
        const [first, second] = rows
        if (first === undefined) return []
        const units = rows.flatMap(({ unit }) => unit ?? [])
        const [part] = parts
        // two numbers are the two ends of one row: start and end of a place in a sequence
        const row = { ...first, hi: second?.lo ?? first.hi, unit: [own, ...units] }
        if (part?.kind !== 'quantity' || part.canonical === undefined) return [row]
        const under = this.names.token('order-canonical', type, param, code)
        const canonical = this.#canonical(under, type, param, part.canonical)
        return [row, { ...canonical, unit: [own, ...(canonical.unit ?? [])] }]
      })
    })
  }

  #canonical(parameter: bigint, type: string, param: string, { unit, ...amount }: CanonicalAmount): OrderedEntry {
    return { ...this.#span(parameter, amount), unit: [this.names.token('unit-dimension', type, param, unit)] }
  }

  #tokensOfCode(
    prefix: '' | 'identifier-',
    type: string,
    param: string,
    system: string | undefined,
    code: string,
  ): readonly bigint[] {
    const kind = (system === undefined ? LISTS_WITHOUT_SYSTEM : LISTS)[prefix]
    return this.#remembered([kind, type, param, system ?? '', code], () => {
      const exact = this.names.exactCode(prefix, type, param, system ?? '', code)
      if (this.names.wellKnown.hasCode(system, code)) return [exact]
      return [
        exact,
        this.names.token(`${prefix}code`, type, param, code),
        ...(system === undefined ? [] : [this.names.token(`${prefix}system`, type, param, system)]),
      ]
    })
  }

  #remembered(names: readonly string[], make: () => readonly bigint[]): readonly bigint[] {
    return names.some(({ length }) => length > LONGEST_REMEMBERED) ? make() : this.#lists.of(names, make)
  }

  #tokensOfString(type: string, value: Extract<IndexValue, { kind: 'string' }>, lean: boolean): readonly bigint[] {
    const { param, normal, word } = value
    return this.#remembered([word === true ? 'word' : 'string', type, param, normal, value.value], () => {
      const exact = word ? [] : [this.names.token('exact', type, param, value.value)]
      // a word has no exact token, which would be found by `:exact`
      if (!word && this.names.wellKnown.hasString(value.value)) return exact
      const prefixes = prefixesOf(normal).map((beginning) => this.names.token('prefix', type, param, beginning))
      if (word || lean) return [...prefixes, ...exact]
      const parts = Array.from(partsOf(normal), (part) => this.names.token('part', type, param, part))
      return [...prefixes, ...parts, this.names.token('whole', type, param, normal), ...exact]
    })
  }

  #addReference(
    tokens: bigint[],
    references: Map<string, ReferenceEntry>,
    type: string,
    value: Extract<IndexValue, { kind: 'reference' }>,
  ): void {
    const { param, identifier, url } = value
    if (value.type !== undefined && value.id !== undefined) {
      tokens.push(this.names.token('reference', type, param, `${value.type}/${value.id}`))
      const entry = { parameter: referenceParameter(type, param), targetType: value.type, targetId: value.id }
      references.set(referenceName(entry), entry)
    }
    if (url !== undefined) {
      tokens.push(this.names.token('url', type, param, url))
      if (value.version !== undefined) tokens.push(this.names.token('url', type, param, `${url}|${value.version}`))
      for (const place of value.within ?? []) tokens.push(this.names.token('within', type, param, place))
    }
    if (identifier) push(tokens, this.#tokensOfCode('identifier-', type, param, identifier.system, identifier.value))
  }

  #point(parameter: bigint, value: string): { parameter: bigint; lo: Uint8Array; hi: Uint8Array } {
    const at = this.names.orderedNumber(parameter, value)
    return { parameter, lo: at, hi: at }
  }

  #span(parameter: bigint, { value, lo, hi }: { value?: string; lo?: string; hi?: string }) {
    if (value !== undefined) return this.#point(parameter, value)
    return {
      parameter,
      lo: this.names.orderedNumber(parameter, lo ?? '-Infinity'),
      hi: this.names.orderedNumber(parameter, hi ?? 'Infinity'),
    }
  }

  #quantity(parameter: bigint, type: string, value: Extract<IndexValue, { kind: 'quantity' }>): OrderedEntry {
    const { param, system, code, unit } = value
    const units = new Set<bigint>()
    if (code !== undefined) {
      units.add(this.names.unitToken(type, param, undefined, code))
      if (system !== undefined) units.add(this.names.unitToken(type, param, system, code))
    }
    if (system !== undefined) units.add(this.names.token('unit-system-code', type, param, system))
    if (unit !== undefined) units.add(this.names.unitToken(type, param, undefined, unit))
    return { ...this.#span(parameter, value), unit: [...units] }
  }
}

/** What the entries of a value cost at most; a composite is paid for where its combinations are counted. */
function costOf(value: IndexValue): [tokens: number, characters: number] {
  switch (value.kind) {
    case 'token': {
      const [words, types] = [value.words?.length ?? 0, value.types?.length ?? 0]
      return [4 + words + types, (value.code?.length ?? 0) * (4 + types)]
    }
    case 'string': {
      const { length } = value.normal
      const parts = value.word ? 0 : Math.min(length, CONTAINING) * LONGEST_PART
      return [4 + Math.min(length, LONGEST_PREFIX) + parts, 2 * value.value.length]
    }
    case 'uri': {
      const within = value.within ?? []
      return [2 + within.length, within.reduce((sum, { length }) => sum + length, value.value.length)]
    }
    case 'reference': {
      const within = value.within ?? []
      const characters = within.reduce((sum, { length }) => sum + length, value.url?.length ?? 0)
      return [6 + within.length + (value.url === undefined ? 0 : 2 * ORDERED), characters]
    }
    case 'date':
    case 'number':
      return [ORDERED, 0]
    case 'quantity':
      return [3 * ORDERED, 0]
    case 'group':
      return [2 + value.members.length, value.members.reduce((sum, { length }) => sum + length, 0)]
    case 'position':
      return [4 + ORDERED, 0]
    case 'composite':
      return [1, 0]
  }
}

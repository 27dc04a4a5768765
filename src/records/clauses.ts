import { ConsentryError } from '../errors.js'
import { int8Array } from './array-parameter.js'
import type { BlindIndex } from './blind-index.js'
import { askedTokens, hasOrderedPart } from './composite-index.js'
import { referenceParameter } from './index-names.js'
import { type Bytes, dateRange, type Ends, instantRange, numberRange } from './ranges.js'
import type { Parameters } from './parameters.js'
import type {
  Chain,
  Clause,
  DateValue,
  Filter,
  FilterOf,
  NumberValue,
  QuantityValue,
  ReferenceValue,
  ReverseChain,
  Searched,
  Several,
  TokenValue,
} from './search-query.js'

/**
 * Compiles clauses of a search into a condition on `resource r`. Tokens name the type, so a condition with a token needs
 * no `type = …` (which would cost the planner's BitmapAnd); every other one gets it.
 */
export class ClauseCompiler {
  /** @param permitted the consent condition on `r`, which also holds for every row that a chain passes */
  constructor(
    private readonly index: BlindIndex,
    private readonly parameters: Parameters,
    readonly permitted: string,
  ) {}

  /** All clauses and the consent condition. */
  condition(type: string, clauses: readonly Clause[]): string {
    return joint([...this.#asked(type, clauses), this.permitted])
  }

  /**
   * The same for several types, each with its own clauses. Types of which the same columns are asked are one alternative, and so are those of
   * which tokens are asked that name the type: both ask the index once.
   */
  conditionOfSeveral(searched: readonly Searched[]): string {
    const [only] = searched
    if (searched.length === 1 && only !== undefined) return this.condition(only.type, only.clauses)
    const columns = new Map<string, { types: string[]; clauses: readonly Clause[] }>()
    const tokens: bigint[] = []
    const alternatives: string[] = []
    for (const { type, clauses } of searched) {
      const single = this.#anyToken(type, clauses)
      const alike = JSON.stringify(clauses)
      if (single !== undefined) tokens.push(...single)
      else if (!clauses.every(asksColumns)) alternatives.push(joint(this.#asked(type, clauses)))
      else if (columns.has(alike)) columns.get(alike)?.types.push(type)
      else columns.set(alike, { types: [type], clauses })
    }
    if (tokens.length > 0) alternatives.push(this.#anyOf(tokens.map((token) => [token])))
    for (const { types, clauses } of columns.values()) {
      const asked = clauses.map((clause) => this.#condition('', clause))
      alternatives.push(joint([`r.type = ANY (${this.parameters.bind(types)}::text[]) AND NOT r.deleted`, ...asked]))
    }
    const any = alternatives.map((alternative) => `(${alternative})`).join(' OR ') || 'false'
    return joint([any, this.permitted])
  }

  /** The tokens of which a row has one, if that is all that is asked. */
  #anyToken(type: string, clauses: readonly Clause[]): bigint[] | undefined {
    const [clause, ...more] = flat(clauses)
    const groups = clause === undefined || more.length > 0 ? undefined : this.#groups(type, clause)
    return groups?.every(({ length }) => length === 1) ? groups.flat() : undefined
  }

  #asked(type: string, clauses: readonly Clause[]): string[] {
    const required: bigint[] = []
    const conditions: string[] = []
    let anyToken = false
    for (const clause of flat(clauses)) {
      const groups = this.#groups(type, clause)
      if (groups === undefined) conditions.push(this.#condition(type, clause))
      else if (groups.length === 1) required.push(...(groups[0] ?? []))
      else {
        anyToken = true
        conditions.push(this.#anyOf(groups))
      }
    }
    if (required.length > 0) conditions.unshift(`r.tokens @> ${this.#bigints(required)}`)
    else if (!anyToken) conditions.unshift(`r.type = ${this.parameters.bind(type)} AND NOT r.deleted`)
    return conditions
  }

  /** Tokens of which all of one group are required; `undefined` for what is no matter of tokens alone. */
  #groups(type: string, clause: Clause): bigint[][] | undefined {
    if (clause.is === 'missing') {
      if (clause.missing || COLUMNS.has(clause.param)) return undefined
      return [[this.index.token('present', type, clause.param, '')]]
    }
    if (clause.is === 'any') {
      const groups = clause.clauses.map((each) => this.#groups(type, each))
      return groups.length > 0 && groups.every((each) => each !== undefined) ? groups.flat() : undefined
    }
    if (clause.is === 'all') {
      const groups = clause.clauses.map((each) => this.#groups(type, each))
      return groups.length > 0 && groups.every((each) => each?.length === 1)
        ? [groups.flatMap((each) => each?.[0] ?? [])]
        : undefined
    }
    if (clause.is !== 'filter' || clause.modifier === 'not' || clause.modifier === 'not-in') return undefined
    return this.#tokens(type, clause)
  }

  #tokens(type: string, filter: Filter): bigint[][] | undefined {
    const { param, modifier } = filter
    const one = (token: bigint): bigint[] => [token]
    switch (filter.kind) {
      case 'token':
        if (param === '_id') return undefined
        refuse(filter, ['not', 'in', 'not-in', 'above', 'below', 'of-type', 'text'])
        return filter.values.flatMap((value) => this.#codeTokens(type, param, value))
      case 'string':
        refuse(filter, ['exact', 'contains', 'whole'])
        return filter.values.flatMap(({ value, normal }) => {
          if (modifier === 'exact') return [one(this.index.token('exact', type, param, value))]
          if (modifier === 'whole') return this.index.wholeTokens(type, param, normal).map(one)
          if (modifier === 'contains') return this.index.partTokens(type, param, normal)
          return this.index.prefixTokens(type, param, normal).map(one)
        })
      case 'uri':
        refuse(filter, ['above', 'below'])
        return filter.values.flatMap(({ value, above = [] }) =>
          modifier === 'above'
            ? above.map((place) => one(this.index.token('uri', type, param, place)))
            : [one(this.index.token(modifier === 'below' ? 'within' : 'uri', type, param, value))],
        )
      case 'reference':
        refuse(filter, ['identifier', 'not'])
        return filter.values.flatMap((value) => this.#referenceTokens(type, param, value)).map(one)
      case 'composite':
        refuse(filter, [])
        return filter.values.some(({ parts }) => hasOrderedPart(parts))
          ? undefined
          : askedTokens(this.index, type, filter).map(one)
      default:
        return undefined
    }
  }

  #codeTokens(type: string, param: string, value: TokenValue): bigint[][] {
    const { text, typeSystem, typeCode, code } = value
    if (text !== undefined) return [text.map((word) => this.index.token('word', type, param, word))]
    if (typeSystem !== undefined && typeCode !== undefined && code !== undefined) {
      return [[this.index.typedToken(type, param, typeSystem, typeCode, code)]]
    }
    return this.index.codeTokens('', type, param, value).map((token) => [token])
  }

  #anyOf(groups: readonly bigint[][]): string {
    const single = groups.every(({ length }) => length === 1)
    if (single) return `r.tokens && ${this.#bigints(groups.flat())}`
    return groups.map((group) => `r.tokens @> ${this.#bigints(group)}`).join(' OR ')
  }

  #referenceTokens(type: string, param: string, { types, id, url, version, identifier }: ReferenceValue): bigint[] {
    if (identifier) return this.index.codeTokens('identifier-', type, param, identifier)
    if (url !== undefined)
      return [this.index.token('url', type, param, version === undefined ? url : `${url}|${version}`)]
    return (types ?? []).map((target) => this.index.token('reference', type, param, `${target}/${id}`))
  }

  #condition(type: string, clause: Clause): string {
    switch (clause.is) {
      case 'chain':
        return this.#chain(type, clause)
      case 'has':
        return this.#has(type, clause)
      case 'missing':
        if (COLUMNS.has(clause.param)) return String(!clause.missing)
        return this.#none([[this.index.token('present', type, clause.param, '')]], clause.missing)
      case 'none':
        return `(${this.#condition(type, clause.clause)}) IS NOT TRUE`
      case 'all':
      case 'any':
        return this.#several(type, clause)
      case 'filter':
        return this.#filter(type, clause)
    }
  }

  #several(type: string, { is, clauses }: Several): string {
    const [none, joint] = is === 'all' ? ['true', ' AND '] : ['false', ' OR ']
    return clauses.map((clause) => `(${this.#condition(type, clause)})`).join(joint) || none
  }

  #none(groups: readonly bigint[][], not: boolean): string {
    return not ? `NOT (${this.#anyOf(groups)})` : this.#anyOf(groups)
  }

  #filter(type: string, clause: Filter): string {
    const groups = this.#tokens(type, clause)
    if (groups !== undefined) return this.#none(groups, clause.modifier === 'not' || clause.modifier === 'not-in')
    switch (clause.kind) {
      case 'token':
        refuse(clause, ['not'])
        return `${clause.modifier === 'not' ? 'NOT ' : ''}r.id = ANY (${this.parameters.bind(
          clause.values.map(({ code }) => code),
        )}::text[])`
      case 'date':
        return clause.param === '_lastUpdated' ? this.#lastUpdated(clause) : this.#dates(type, clause)
      case 'number':
      case 'quantity':
        return this.#numbers(type, clause)
      case 'composite':
        return clause.values.map(({ parts }) => this.#codeWithOrder(type, clause.param, parts)).join(' OR ')
      default:
        throw unsupported(clause.param)
    }
  }

  #lastUpdated(clause: FilterOf<'date', DateValue>): string {
    refuse(clause, [])
    return clause.values
      .map((value) => instantRange('r.last_updated', value, (at) => this.parameters.bind(at)))
      .join(' OR ')
  }

  #dates(type: string, clause: FilterOf<'date', DateValue>): string {
    refuse(clause, [])
    const parameter = this.index.parameter(type, clause.param)
    return this.#ordered(
      parameter,
      clause.values.map((value) => this.#dateRange(parameter, value)),
    )
  }

  #dateRange(parameter: bigint, value: DateValue): string {
    return dateRange(value, (at) => this.#bytes(this.index.orderedDate(parameter, at)))
  }

  #numbers(type: string, clause: FilterOf<'number', NumberValue> | FilterOf<'quantity', QuantityValue>): string {
    refuse(clause, [])
    const { param } = clause
    const amounts = clause.values.map((value: QuantityValue): [bigint, string] => {
      const parameter =
        value.canonical === undefined
          ? this.index.parameter(type, param)
          : this.index.token('order-canonical', type, param, '')
      return [parameter, this.#quantity(type, param, parameter, value)]
    })
    const parameters = [...new Set(amounts.map(([parameter]) => parameter))]
    return parameters
      .map((parameter) =>
        this.#ordered(
          parameter,
          amounts.flatMap(([of, range]) => (of === parameter ? [range] : [])),
        ),
      )
      .join(' OR ')
  }

  /** An amount of the unit; in base units where it has them, so that 1 kg is 1000 g. */
  #quantity(type: string, param: string, parameter: bigint, value: QuantityValue, row?: Ends): string {
    const { canonical, system, code } = value
    const bind = (number: string): string => this.#bytes(this.index.orderedNumber(parameter, number))
    const range = numberRange(canonical ? { ...canonical, prefix: value.prefix } : value, bind, row)
    if (canonical) {
      return `(${range}) AND o.unit @> ${this.#bigints([this.index.token('unit-dimension', type, param, canonical.unit)])}`
    }
    if (code === undefined && system === undefined) return range
    return `(${range}) AND o.unit @> ${this.#bigints([this.index.unitToken(type, param, system, code)])}`
  }

  #ordered(parameter: bigint, alternatives: readonly string[]): string {
    return `r.pk IN (SELECT o.resource_pk FROM ordered o
      WHERE o.parameter = ${this.parameters.bind(parameter)} AND (${alternatives.map((range) => `(${range})`).join(' OR ')}))`
  }

  /** A code and one or two parts with an order, all in one row; see composite-index.ts. */
  #codeWithOrder(type: string, param: string, [code, ...ordered]: readonly Filter[]): string {
    if (code?.kind !== 'token') throw unsupported(param)
    const alternatives = code.values.map(({ system, code: value = '' }) => {
      const [first, second] = ordered
      const canonical = first?.kind === 'quantity' && first.values.every((each) => each.canonical !== undefined)
      const parameter = this.index.token(canonical ? 'order-canonical' : 'order-code', type, param, value)
      const units = system === undefined ? [] : [this.index.codeOfRow(type, param, system ?? '', value)]
      const conditions = [
        ...(first ? [this.#part(type, param, parameter, first, second ? START : undefined)] : []),
        ...(second ? [this.#part(type, param, parameter, second, END)] : []),
        ...(units.length === 0 ? [] : [`o.unit @> ${this.#bigints(units)}`]),
      ]
      return this.#ordered(parameter, [conditions.map((condition) => `(${condition})`).join(' AND ')])
    })
    return alternatives.join(' OR ')
  }

  #part(type: string, param: string, parameter: bigint, part: Filter, row: Ends | undefined): string {
    switch (part.kind) {
      case 'date':
        return part.values.map((value) => `(${this.#dateRange(parameter, value)})`).join(' OR ')
      case 'number':
      case 'quantity':
        return part.values
          .map((value: QuantityValue) => `(${this.#quantity(type, param, parameter, value, row)})`)
          .join(' OR ')
      default:
        throw unsupported(param)
    }
  }

  /** The inner `r` hides the outer one, so one condition serves both; it binds the type of the target. */
  #chain(type: string, { param, targets }: Chain): string {
    const parameter = this.parameters.bind(referenceParameter(type, param))
    const alternatives = targets.map(
      ({ type: target, clause }) => `r.pk IN (SELECT f.source_pk FROM reference f JOIN resource r ON r.id = f.target_id
        WHERE f.parameter = ${parameter} AND f.target_type = ${this.parameters.bind(target)}
          AND ${this.condition(target, [clause])})`,
    )
    return alternatives.join(' OR ')
  }

  #has(type: string, { type: source, param, clause }: ReverseChain): string {
    return `r.id IN (SELECT f.target_id FROM reference f JOIN resource r ON r.pk = f.source_pk
      WHERE f.parameter = ${this.parameters.bind(referenceParameter(source, param))}
        AND f.target_type = ${this.parameters.bind(type)} AND ${this.condition(source, [clause])})`
  }

  #bigints(values: readonly bigint[]): string {
    return `${this.parameters.bind(int8Array(values))}::bigint[]`
  }

  #bytes(bytes: Bytes): string {
    return this.parameters.bind(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
  }
}

const COLUMNS: ReadonlySet<string> = new Set(['_id', '_lastUpdated'])
const START: Ends = { lo: 'o.lo', hi: 'o.lo' }
const END: Ends = { lo: 'o.hi', hi: 'o.hi' }

const joint = (conditions: readonly string[]): string => conditions.map((condition) => `(${condition})`).join(' AND ')

/** True for what asks columns of a row alone, which is the same for every type. */
function asksColumns(clause: Clause): boolean {
  switch (clause.is) {
    case 'filter':
    case 'missing':
      return COLUMNS.has(clause.param)
    case 'all':
    case 'any':
      return clause.clauses.every(asksColumns)
    case 'none':
      return asksColumns(clause.clause)
    case 'chain':
    case 'has':
      return false
  }
}

/** Clauses of which all hold anyway are as good as given one by one, and so find their tokens in the index. */
function flat(clauses: readonly Clause[]): Clause[] {
  return clauses.flatMap((clause) => (clause.is === 'all' ? flat(clause.clauses) : [clause]))
}

function refuse(filter: Filter, served: readonly string[]): void {
  if (filter.modifier !== undefined && !served.includes(filter.modifier)) {
    throw unsupported(`${filter.param}:${filter.modifier}`)
  }
}

function unsupported(parameter: string): ConsentryError {
  return new ConsentryError('not-supported', `The search parameter '${parameter}' is not served.`, {
    expression: [parameter],
  })
}

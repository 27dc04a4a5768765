import { ConsentryError } from '../errors.js'
import { int8Array } from './array-parameter.js'
import { type BlindIndex, referenceParameter } from './blind-index.js'
import { type Bytes, dateRange, instantRange, numberRange } from './ranges.js'
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
    private readonly permitted: string,
  ) {}

  /** All clauses and the consent condition. */
  condition(type: string, clauses: readonly Clause[]): string {
    const required: bigint[] = []
    const conditions: string[] = []
    let anyToken = false
    for (const clause of clauses) {
      const tokens = clause.is === 'filter' ? this.#tokens(type, clause) : undefined
      if (tokens === undefined) conditions.push(this.#condition(type, clause))
      else if (clause.is === 'filter' && clause.modifier === 'not') {
        conditions.push(`NOT (r.tokens && ${this.#bigints(tokens)})`)
      } else if (tokens.length === 1) required.push(tokens[0] as bigint)
      else {
        anyToken = true
        conditions.push(`r.tokens && ${this.#bigints(tokens)}`)
      }
    }
    if (required.length > 0) conditions.unshift(`r.tokens @> ${this.#bigints(required)}`)
    else if (!anyToken) conditions.unshift(`r.type = ${this.parameters.bind(type)} AND NOT r.deleted`)
    return [...conditions, this.permitted].map((condition) => `(${condition})`).join(' AND ')
  }

  /** One of them is required; `undefined` for what is no matter of tokens. */
  #tokens(type: string, filter: Filter): bigint[] | undefined {
    const { param } = filter
    switch (filter.kind) {
      case 'token':
        if (param === '_id') return undefined
        refuse(filter, ['not'])
        return filter.values.flatMap((value) => this.index.codeTokens('', type, param, value))
      case 'string':
        refuse(filter, ['exact'])
        return filter.values.flatMap((value) =>
          filter.modifier === 'exact'
            ? this.index.token('exact', type, param, value.value)
            : this.index.prefixTokens(type, param, value.normal),
        )
      case 'uri':
        refuse(filter, [])
        return filter.values.map(({ value }) => this.index.token('uri', type, param, value))
      case 'reference':
        refuse(filter, ['identifier', 'not'])
        return filter.values.flatMap((value) => this.#referenceTokens(type, param, value))
      default:
        return undefined
    }
  }

  #referenceTokens(type: string, param: string, { types, id, url, version, identifier }: ReferenceValue): bigint[] {
    if (identifier) return this.index.codeTokens('identifier-', type, param, identifier)
    if (url !== undefined)
      return [this.index.token('url', type, param, version === undefined ? url : `${url}|${version}`)]
    return (types ?? []).map((target) => this.index.token('reference', type, param, `${target}/${id}`))
  }

  #condition(type: string, clause: Clause): string {
    if (clause.is === 'chain') return this.#chain(type, clause)
    if (clause.is === 'has') return this.#has(type, clause)
    if (clause.is === 'missing') throw unsupported(':missing')
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
    const bind = (at: number): string => this.#bytes(this.index.orderedDate(type, clause.param, at))
    return this.#ordered(
      type,
      clause.param,
      clause.values.map((value) => dateRange(value, bind)),
    )
  }

  #numbers(type: string, clause: FilterOf<'number', NumberValue> | FilterOf<'quantity', QuantityValue>): string {
    refuse(clause, [])
    const bind = (value: string): string => this.#bytes(this.index.orderedNumber(type, clause.param, value))
    const ranges = clause.values.map((value: QuantityValue) => {
      const range = numberRange(value, bind)
      if (value.code === undefined) return range
      const unit = this.index.unitToken(type, clause.param, value.system, value.code)
      return `${range} AND o.unit @> ${this.#bigints([unit])}`
    })
    return this.#ordered(type, clause.param, ranges)
  }

  #ordered(type: string, param: string, alternatives: readonly string[]): string {
    const parameter = this.parameters.bind(this.index.parameter(type, param))
    return `r.pk IN (SELECT o.resource_pk FROM ordered o
      WHERE o.parameter = ${parameter} AND (${alternatives.map((range) => `(${range})`).join(' OR ')}))`
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

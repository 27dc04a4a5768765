import type { Chain, Clause, DateValue, Filter, FilterOf, ReverseChain, Searched, Several } from '../clauses/clause.js'
import { asksColumns, COLUMNS } from '../clauses/reach.js'
import { int8Array } from './array-parameter.js'
import type { BlindIndex } from './blind-index.js'
import { ClauseTokens } from './clause-tokens.js'
import { referenceParameter } from './index-names.js'
import { OrderedConditions } from './ordered-conditions.js'
import type { Parameters } from './parameters.js'
import { instantRange } from './ranges.js'
import { refuse, unsupported } from './unsupported.js'

/**
 * Compiles clauses of a search into a condition on `resource r`. Tokens name the type, so a condition with a token needs
 * no `type = …` (which would cost the planner's BitmapAnd); every other one gets it.
 */
export class ClauseCompiler {
  readonly #tokens: ClauseTokens
  readonly #ordered: OrderedConditions

  /** @param permitted the consent condition on `r`, which also holds for every row that a chain passes */
  constructor(
    private readonly index: BlindIndex,
    private readonly parameters: Parameters,
    readonly permitted: string,
  ) {
    this.#tokens = new ClauseTokens(index)
    this.#ordered = new OrderedConditions(index, parameters)
  }

  /** How many of all rows have the tokens that are asked, if each is as common with the others as without; 0 if none are asked. */
  share(type: string, clauses: readonly Clause[], common: { share(token: bigint): number }): number {
    const asked = flat(clauses).flatMap((clause) => {
      const groups = this.#tokens.groups(type, clause)
      if (groups === undefined) return []
      const alternatives = groups.map((group) => group.reduce((part, token) => part * common.share(token), 1))
      return [alternatives.reduce((sum, part) => Math.min(1, sum + part), 0)]
    })
    return asked.length === 0 ? 0 : asked.reduce((product, part) => product * part, 1)
  }

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
    const groups = clause === undefined || more.length > 0 ? undefined : this.#tokens.groups(type, clause)
    return groups?.every(({ length }) => length === 1) ? groups.flat() : undefined
  }

  #asked(type: string, clauses: readonly Clause[]): string[] {
    const required: bigint[] = []
    const conditions: string[] = []
    let anyToken = false
    for (const clause of flat(clauses)) {
      const groups = this.#tokens.groups(type, clause)
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

  #anyOf(groups: readonly bigint[][]): string {
    const single = groups.every(({ length }) => length === 1)
    if (single) return `r.tokens && ${this.#bigints(groups.flat())}`
    return groups.map((group) => `r.tokens @> ${this.#bigints(group)}`).join(' OR ')
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
    const groups = this.#tokens.ofFilter(type, clause)
    if (groups !== undefined) return this.#none(groups, clause.modifier === 'not' || clause.modifier === 'not-in')
    switch (clause.kind) {
      case 'token':
        refuse(clause, ['not'])
        return `${clause.modifier === 'not' ? 'NOT ' : ''}r.id = ANY (${this.parameters.bind(
          clause.values.map(({ code }) => code),
        )}::text[])`
      case 'date':
        return clause.param === '_lastUpdated' ? this.#lastUpdated(clause) : this.#ordered.dates(type, clause)
      case 'number':
      case 'quantity':
        return this.#ordered.numbers(type, clause)
      case 'composite':
        return clause.values.map(({ parts }) => this.#ordered.codeWithOrder(type, clause.param, parts)).join(' OR ')
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
}

const joint = (conditions: readonly string[]): string => conditions.map((condition) => `(${condition})`).join(' AND ')

/** Clauses of which all hold anyway are as good as given one by one, and so find their tokens in the index. */
function flat(clauses: readonly Clause[]): Clause[] {
  return clauses.flatMap((clause) => (clause.is === 'all' ? flat(clause.clauses) : [clause]))
}

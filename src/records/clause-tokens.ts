import type { Clause, Filter, Modifier, ReferenceValue, TokenValue } from '../clauses/clause.js'
import { COLUMNS } from '../clauses/reach.js'
import type { BlindIndex } from './blind-index.js'
import { askedTokens, hasOrderedPart } from './composite-index.js'
import { refuse } from './unsupported.js'

/** The tokens of the blind index that clauses ask for; they name the type. */
export class ClauseTokens {
  constructor(private readonly index: BlindIndex) {}

  /** Tokens of which all of one group are required; `undefined` for what is no matter of tokens alone. */
  groups(type: string, clause: Clause): bigint[][] | undefined {
    if (clause.is === 'missing') {
      if (clause.missing || COLUMNS.has(clause.param)) return undefined
      return [[this.index.token('present', type, clause.param, '')]]
    }
    if (clause.is === 'any') {
      const groups = clause.clauses.map((each) => this.groups(type, each))
      return groups.length > 0 && groups.every((each) => each !== undefined) ? groups.flat() : undefined
    }
    if (clause.is === 'all') {
      const groups = clause.clauses.map((each) => this.groups(type, each))
      return groups.length > 0 && groups.every((each) => each?.length === 1)
        ? [groups.flatMap((each) => each?.[0] ?? [])]
        : undefined
    }
    if (clause.is !== 'filter' || clause.modifier === 'not' || clause.modifier === 'not-in') return undefined
    return this.ofFilter(type, clause)
  }

  /** The same of one filter, whatever it negates; `undefined`: rows of other tables or columns answer it. */
  ofFilter(type: string, filter: Filter): bigint[][] | undefined {
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
        refuse(filter, ['identifier', 'not', 'below'])
        return filter.values.flatMap((value) => this.#referenceTokens(type, param, value, modifier)).map(one)
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

  #referenceTokens(
    type: string,
    param: string,
    { types, id, url, version, identifier }: ReferenceValue,
    modifier: Modifier | undefined,
  ): bigint[] {
    if (identifier) return this.index.codeTokens('identifier-', type, param, identifier)
    if (url !== undefined) {
      if (version === undefined) return [this.index.token('url', type, param, url)]
      return [this.index.token(modifier === 'below' ? 'within' : 'url', type, param, `${url}|${version}`)]
    }
    return (types ?? []).map((target) => this.index.token('reference', type, param, `${target}/${id}`))
  }
}

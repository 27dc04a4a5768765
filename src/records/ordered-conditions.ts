import type { DateValue, Filter, FilterOf, NumberValue, QuantityValue } from '../clauses/clause.js'
import { int8Array } from './array-parameter.js'
import type { BlindIndex } from './blind-index.js'
import type { Parameters } from './parameters.js'
import { type Bytes, dateRange, type Ends, numberRange } from './ranges.js'
import { refuse, unsupported } from './unsupported.js'

const START: Ends = { lo: 'o.lo', hi: 'o.lo' }
const END: Ends = { lo: 'o.hi', hi: 'o.hi' }

/** Conditions on `resource r` by its rows of `ordered`: dates, numbers and quantities, and composites that have one. */
export class OrderedConditions {
  constructor(
    private readonly index: BlindIndex,
    private readonly parameters: Parameters,
  ) {}

  dates(type: string, clause: FilterOf<'date', DateValue>): string {
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

  numbers(type: string, clause: FilterOf<'number', NumberValue> | FilterOf<'quantity', QuantityValue>): string {
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
  codeWithOrder(type: string, param: string, [code, ...ordered]: readonly Filter[]): string {
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

  #bigints(values: readonly bigint[]): string {
    return `${this.parameters.bind(int8Array(values))}::bigint[]`
  }

  #bytes(bytes: Bytes): string {
    return this.parameters.bind(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
  }
}

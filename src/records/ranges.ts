import type { DateValue, NumberValue } from '../clauses/clause.js'

export type Bytes = Uint8Array

/**
 * R4's prefixes (https://hl7.org/fhir/R4/search.html#prefix) over [o.lo, o.hi) of a date:
 * `ge` and `le` include what the value contains.
 */
export function dateRange({ prefix, lo, hi }: DateValue, bind: (at: number) => string): string {
  switch (prefix) {
    case 'eq':
      return `o.lo >= ${bind(lo)} AND o.hi <= ${bind(hi)}`
    case 'ne':
      return `o.lo < ${bind(lo)} OR o.hi > ${bind(hi)}`
    case 'gt':
      return `o.hi > ${bind(hi)}`
    case 'ge': {
      const end = bind(hi)
      return `o.hi > ${end} OR (o.lo >= ${bind(lo)} AND o.hi <= ${end})`
    }
    case 'lt':
      return `o.lo < ${bind(lo)}`
    case 'le': {
      const start = bind(lo)
      return `o.lo < ${start} OR (o.lo >= ${start} AND o.hi <= ${bind(hi)})`
    }
    case 'sa':
      return `o.lo >= ${bind(hi)}`
    case 'eb':
      return `o.hi <= ${bind(lo)}`
    case 'ap':
      return `o.lo < ${bind(hi)} AND o.hi > ${bind(lo)}`
  }
}

/** The same for a column that holds one millisecond. */
export function instantRange(column: string, { prefix, lo, hi }: DateValue, bind: (at: number) => string): string {
  switch (prefix) {
    case 'eq':
    case 'ap':
      return `(${column} >= ${bind(lo)} AND ${column} < ${bind(hi)})`
    case 'ne':
      return `(${column} < ${bind(lo)} OR ${column} >= ${bind(hi)})`
    case 'gt':
    case 'sa':
      return `${column} >= ${bind(hi)}`
    case 'ge':
      return `${column} >= ${bind(lo)}`
    case 'lt':
    case 'eb':
      return `${column} < ${bind(lo)}`
    case 'le':
      return `${column} < ${bind(hi)}`
  }
}

/** Columns that a range is compared with; the parts of a composite may have one each. */
export interface Ends {
  readonly lo: string
  readonly hi: string
}

const ROW: Ends = { lo: 'o.lo', hi: 'o.hi' }

/** Numbers are points, unless a Range or a comparator made them [lo, hi]. */
export function numberRange(
  { prefix, value, lo, hi }: NumberValue,
  bind: (value: string) => string,
  row: Ends = ROW,
): string {
  switch (prefix) {
    case 'eq':
      return `${row.lo} >= ${bind(lo)} AND ${row.hi} < ${bind(hi)}`
    case 'ne':
      return `(${row.lo} < ${bind(lo)} OR ${row.hi} >= ${bind(hi)})`
    case 'gt':
      return `${row.hi} > ${bind(value)}`
    case 'ge':
      return `${row.hi} >= ${bind(value)}`
    case 'lt':
      return `${row.lo} < ${bind(value)}`
    case 'le':
      return `${row.lo} <= ${bind(value)}`
    case 'sa':
      return `${row.lo} > ${bind(value)}`
    case 'eb':
      return `${row.hi} < ${bind(value)}`
    case 'ap': {
      // "10% of the stated value" around it
      const tenth = Math.abs(Number(value)) / 10
      return `${row.lo} <= ${bind(String(Number(value) + tenth))} AND ${row.hi} >= ${bind(String(Number(value) - tenth))}`
    }
  }
}

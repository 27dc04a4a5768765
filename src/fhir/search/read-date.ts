import { DATE_MAX, DATE_MIN, dateRange } from './date-range.js'
import type { Element, Finding, Readers } from './finding.js'

export const readDate: Readers = { date, dateTime: date, instant: date, Period: period, Timing: timing }

function date(value: unknown, found: Finding): void {
  const at = typeof value === 'string' ? dateRange(value) : undefined
  if (at !== undefined) found.out.push({ param: found.param, kind: 'date', lo: at.lo, hi: at.hi })
}

/** "A missing lower boundary is less than any actual date." A Period that ends before it starts is left out. */
function period(value: unknown, found: Finding): void {
  const { start, end } = value as Element
  const from = typeof start === 'string' ? dateRange(start) : undefined
  const to = typeof end === 'string' ? dateRange(end) : undefined
  if (from === undefined && to === undefined) return
  const lo = from?.lo ?? DATE_MIN
  const hi = to?.hi ?? DATE_MAX
  if (lo < hi) found.out.push({ param: found.param, kind: 'date', lo, hi })
}

/** "The specified scheduling details are ignored and only the outer limits matter." */
function timing(value: unknown, found: Finding): void {
  const { event, repeat } = value as Element
  const times = Array.isArray(event) ? event.map((at) => (typeof at === 'string' ? dateRange(at) : undefined)) : []
  const known = times.filter((at) => at !== undefined)
  if (known.length > 0) {
    const lo = Math.min(...known.map((at) => at.lo))
    found.out.push({ param: found.param, kind: 'date', lo, hi: Math.max(...known.map((at) => at.hi)) })
  }
  const bounds = (repeat as Element | undefined)?.['boundsPeriod']
  if (bounds !== undefined) period(bounds, found)
}

/** Half-open range of milliseconds since the epoch. */
export interface DateRange {
  readonly lo: number
  readonly hi: number
}

/** 0001-01-01 and 10000-01-01, the ends of what a FHIR date can say; they stand for an open end of a Period. */
export const DATE_MIN = -62_135_596_800_000
export const DATE_MAX = 253_402_300_800_000

const MINUTE = 60_000
const DAY = 86_400_000
const FORM = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+\- ]\d\d:\d\d)?)?)?)?$/

/**
 * The time that a FHIR date, dateTime or instant covers: `2013` the year, `2013-01-10` the day,
 * `2013-01-10T10:00Z` the minute, fractions of a second one millisecond. Without an offset UTC is meant ("the
 * server's local time zone should be assumed", and ours is UTC). A blank stands for the `+` that a form-encoded
 * URL turns into one.
 *
 * @returns undefined if the text is no such date or there is no such day
 */
export function dateRange(text: string): DateRange | undefined {
  const match = FORM.exec(text)
  if (match === null) return undefined
  const year = Number(match[1])
  const month = match[2] === undefined ? 1 : Number(match[2])
  const day = match[3] === undefined ? 1 : Number(match[3])
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return undefined
  const midnight = daysSinceEpoch(year, month, day) * DAY
  if (match[2] === undefined) return { lo: midnight, hi: daysSinceEpoch(year + 1, 1, 1) * DAY }
  if (match[3] === undefined) return { lo: midnight, hi: midnight + daysIn(year, month) * DAY }
  if (match[4] === undefined) return { lo: midnight, hi: midnight + DAY }
  const hour = Number(match[4])
  const minute = Number(match[5])
  const second = match[6] === undefined ? 0 : Number(match[6])
  const offset = offsetMinutes(match[8])
  // R4 allows 60 for a leap second; 24:00 is not allowed
  if (hour > 23 || minute > 59 || second > 60 || offset === undefined) return undefined
  const lo = midnight + (hour * 60 + minute - offset) * MINUTE + second * 1000
  if (match[6] === undefined) return { lo, hi: lo + MINUTE }
  if (match[7] === undefined) return { lo, hi: lo + 1000 }
  const at = lo + Number(match[7].slice(0, 3).padEnd(3, '0'))
  return { lo: at, hi: at + 1 }
}

function offsetMinutes(zone: string | undefined): number | undefined {
  if (zone === undefined || zone === 'Z') return 0
  const hours = Number(zone.slice(1, 3))
  const minutes = Number(zone.slice(4, 6))
  if (hours > 14 || minutes > 59) return undefined
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes)
}

function daysIn(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

/** Days from 1970-01-01 in the proleptic Gregorian calendar; `Date.UTC` reads years below 100 as 19xx. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year
  const era = Math.floor(y / 400)
  const yearOfEra = y - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * 146_097 + dayOfEra - 719_468
}

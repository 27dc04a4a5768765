import { ExactNumber, numberText } from '../json.js'

/**
 * Formats of the R4 primitive types, https://hl7.org/fhir/R4/datatypes.html#primitive. Each function answers
 * undefined for a good value and otherwise what would be right, to be put after "must be".
 */
export type Format = (value: unknown) => string | undefined

const MAX_STRING = 1_048_576

function text(pattern: RegExp, expected: string): Format {
  return (value) => (typeof value === 'string' && pattern.test(value) ? undefined : expected)
}

// Control characters other than tab, line feed and carriage return are not allowed in any string.
// eslint-disable-next-line no-control-regex -- they are what is looked for
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/

const string: Format = (value) => {
  if (typeof value !== 'string') return 'a JSON string'
  if (value.length === 0) return 'a string with at least one character; leave the element out if there is no value'
  if (value.length > MAX_STRING) return `a string of at most ${MAX_STRING} characters`
  return FORBIDDEN.test(value) ? 'a string without control characters (tab, LF and CR are allowed)' : undefined
}

const DATE = String.raw`(?!0000)\d{4}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?)?`
const DAY = String.raw`(?!0000)\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])`
const TIME = String.raw`(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?`
const ZONE = String.raw`(?:Z|[+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00))`

function temporal(pattern: string, expected: string): Format {
  const syntax = new RegExp(`^(?:${pattern})$`)
  return (value) => {
    if (typeof value !== 'string' || !syntax.test(value)) return expected
    return isRealDay(value) ? undefined : `${expected}, on a day that the calendar has`
  }
}

const LONG_MONTHS = 0b1_0101_1010_1010 // bit n: month n has 31 days

function isRealDay(value: string): boolean {
  if (value.charCodeAt(8) !== 0x33 && !(value.charCodeAt(8) === 0x32 && value.charCodeAt(9) === 0x39)) return true
  const month = Number(value.slice(5, 7))
  const day = Number(value.slice(8, 10))
  if (month !== 2) return day < 31 || (LONG_MONTHS & (1 << month)) !== 0
  const year = Number(value.slice(0, 4))
  return day === 29 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
}

function whole(min: number, name: string): Format {
  const expected = `${name} from ${min} to 2147483647, written without fraction and exponent`
  return (value) => {
    if (typeof value === 'number')
      return Number.isInteger(value) && value >= min && value <= 2147483647 ? undefined : expected
    return value instanceof ExactNumber && value.text === '-0' && min <= 0 ? undefined : expected
  }
}

const decimal: Format = (value) => {
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : 'a finite JSON number'
  if (!(value instanceof ExactNumber)) return 'a JSON number (not in quotes)'
  return numberText(value).length <= 60 ? undefined : 'a decimal of at most 60 characters'
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

const base64Binary: Format = (value) => {
  if (typeof value !== 'string' || value.length === 0) return 'base64 in a non-empty JSON string'
  const compact = /\s/.test(value) ? value.replace(/\s+/g, '') : value
  return compact.length % 4 === 0 && BASE64.test(compact) ? undefined : 'base64 (RFC 4648 section 4, padded with =)'
}

// eslint-disable-next-line no-control-regex -- they are excluded
const uri = text(/^[^\s\u0000-\u001f]+$/, 'a non-empty URI without white space')

export const FORMATS: Readonly<Record<string, Format>> = {
  boolean: (value) => (typeof value === 'boolean' ? undefined : 'true or false (not in quotes)'),
  string,
  markdown: string,
  'element-id': (value) => string(value) ?? (/\s/.test(value as string) ? 'a string without spaces' : undefined),
  id: text(/^[A-Za-z0-9\-.]{1,64}$/, 'an id: 1 to 64 of A-Z a-z 0-9 - .'),
  // eslint-disable-next-line no-control-regex -- they are excluded
  code: text(/^[^\s\u0000-\u001f]+(?:\s[^\s\u0000-\u001f]+)*$/, 'a code: no leading, trailing or double spaces'),
  uri,
  url: uri,
  canonical: uri,
  'extension-url': uri,
  oid: text(/^urn:oid:[0-2](?:\.(?:0|[1-9]\d*))+$/, 'an OID such as urn:oid:1.2.3'),
  uuid: text(
    /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/,
    'urn:uuid: and a lower-case UUID',
  ),
  date: temporal(DATE, 'a date as YYYY, YYYY-MM or YYYY-MM-DD'),
  dateTime: temporal(
    `${DATE}|${DAY}T${TIME}${ZONE}`,
    'a dateTime as YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with Z or an offset',
  ),
  instant: temporal(`${DAY}T${TIME}${ZONE}`, 'an instant as YYYY-MM-DDThh:mm:ss with Z or an offset'),
  time: text(new RegExp(`^${TIME}$`), 'a time as hh:mm:ss'),
  integer: whole(-2147483648, 'an integer'),
  unsignedInt: whole(0, 'an integer'),
  positiveInt: whole(1, 'an integer'),
  decimal,
  base64Binary,
}

export function isPrimitive(type: string): boolean {
  return Object.hasOwn(FORMATS, type)
}

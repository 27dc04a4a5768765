import { ConsentryError } from '../errors.js'
import { findJsonFault, HUGE_EXPONENT, type JsonLimits } from './json-fault.js'
import { decodeUtf8, inWords } from './text-place.js'

export type { JsonLimits } from './json-fault.js'

/**
 * A number whose source text a JavaScript number would not give back, such as `1.50`, `1e3`, `-0` or
 * `0.12345678901234567890`. FHIR makes the precision of a decimal significant
 * (https://hl7.org/fhir/R4/json.html#decimal), so the text is kept and written again by `JSON.stringify`.
 */
export class ExactNumber {
  /** @param text a number by the grammar of RFC 8259 section 6 */
  constructor(readonly text: string) {}

  /** For comparisons such as `value > 5`; rounds to the nearest double. */
  valueOf(): number {
    return Number(this.text)
  }

  toString(): string {
    return this.text
  }

  /** `JSON.stringify` writes a raw JSON value as its text. */
  toJSON(): unknown {
    return rawJSON(this.text)
  }
}

/** Every number in a parsed document is one of these: `number` if it prints as it was written. */
export type JsonNumber = number | ExactNumber
export type JsonValue = null | boolean | string | JsonNumber | JsonValue[] | JsonObject
export interface JsonObject {
  [key: string]: JsonValue
}

export const JSON_LIMITS: JsonLimits = { maxBytes: 64 * 1024 * 1024, maxDepth: 100, maxNumberLength: 100 }

/**
 * Parses JSON from outside (RFC 8259, strictly): UTF-8 with or without byte order mark, no duplicate keys, no
 * `__proto__`, no lone surrogates, bounded size and depth, numbers exact. Keys that look like array indexes
 * come out in numeric order; FHIR has none.
 *
 * The native parser does the work. One pass over the text before it counts keys and depth and notes the numbers
 * that need `ExactNumber`; one walk over the value after it counts keys again and puts those numbers in, by their
 * position among all numbers. Only a document with index-like keys, whose order the native parser changes, is read
 * by the reviver with source text access, which is several times slower.
 *
 * @throws ConsentryError `malformed` with line, column, JSON pointer and FHIRPath, `too-large` above `maxBytes`; the
 * message never quotes the document.
 */
export function parseJson(input: string | Uint8Array, limits: Partial<JsonLimits> = {}): JsonValue {
  const bounds = { ...JSON_LIMITS, ...limits }
  const text = decode(input, bounds.maxBytes)
  const shape = scan(text, bounds)
  if (shape.beyondLimits) throw refuse(text, bounds)
  let value: JsonValue
  try {
    value = JSON.parse(text) as JsonValue
  } catch {
    throw refuse(text, bounds)
  }
  const walk = new NumberWalk(shape)
  walk.visit(value)
  // Equal counts mean that no key was there twice: the native parser keeps only the last of equals.
  if (walk.keys !== shape.keys || walk.prototypes) throw refuse(text, bounds)
  if (shape.surrogateEscapes && !isWellFormed(value)) throw refuse(text, bounds)
  if (shape.exact.length === 0) return value
  if (walk.reordered) return JSON.parse(text, exactNumbers as () => unknown) as JsonValue
  // the root itself may be the number
  return typeof value === 'number' ? new ExactNumber(shape.exact[0]?.text ?? '') : value
}

/** Writes a value as JSON; what `parseJson` read comes out equal, decimals included. */
export function stringify(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent)
}

export function isNumber(value: unknown): value is JsonNumber {
  return typeof value === 'number' || value instanceof ExactNumber
}

/** The number as it was written, for exact comparison, index and output. */
export function numberText(value: JsonNumber): string {
  return typeof value === 'number' ? String(value) : value.text
}

/** The number as a double, for arithmetic; loses digits beyond the 17th. */
export function numberValue(value: JsonNumber): number {
  return typeof value === 'number' ? value : Number(value.text)
}

/** A number from its text: a plain one where that prints the same. @throws RangeError if it is no JSON number */
export function numberFrom(text: string): JsonNumber {
  if (!NUMBER.test(text)) throw new RangeError('Not a number by the grammar of JSON.')
  const value = Number(text)
  return String(value) === text ? value : new ExactNumber(text)
}

const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/

// TypeScript's library does not know this part of ES2026 yet.
const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => unknown }

function exactNumbers(_key: string, value: unknown, context: { source?: string }): unknown {
  if (typeof value !== 'number' || context.source === undefined || String(value) === context.source) return value
  return new ExactNumber(context.source)
}

function decode(input: string | Uint8Array, maxBytes: number): string {
  if (input.length > maxBytes) {
    throw new ConsentryError('too-large', `The document is larger than the allowed ${maxBytes} bytes.`)
  }
  if (typeof input === 'string') {
    if (!input.isWellFormed()) throw new ConsentryError('malformed', 'The text contains a lone surrogate.')
    return input.charCodeAt(0) === 0xfeff ? input.slice(1) : input
  }
  return decodeUtf8(input)
}

function refuse(text: string, limits: JsonLimits): ConsentryError {
  const fault = findJsonFault(text, limits)
  const place = fault.pointer === '' ? '' : `, at ${fault.pointer}`
  return new ConsentryError('malformed', `Not acceptable JSON (${inWords(fault)}${place}): ${fault.reason}`, {
    code: 'structure',
    ...(fault.expression === undefined ? {} : { expression: [fault.expression] }),
  })
}

interface Shape {
  /** Colons outside strings. */
  keys: number
  /** Numbers that would not survive as a double, by their position among all numbers of the text. */
  exact: { readonly ordinal: number; readonly text: string }[]
  /** Escapes of surrogates occur; they may stand alone. */
  surrogateEscapes: boolean
  beyondLimits: boolean
}

/** One pass that trusts the native parser for the grammar. */
function scan(text: string, limits: JsonLimits): Shape {
  const end = text.length
  const exact: Shape['exact'] = []
  let keys = 0
  let depth = 0
  let numbers = 0
  let beyondLimits = false
  for (let i = 0; i < end; i++) {
    const c = text.charCodeAt(i)
    if (c <= 0x20 || c === 0x2c) continue
    if (c === 0x22) {
      i = closingQuote(text, i)
      if (i < 0) break
    } else if (c === 0x3a) keys++
    else if (c === 0x7b || c === 0x5b) {
      if (++depth > limits.maxDepth) beyondLimits = true
      if (beyondLimits) break
    } else if (c === 0x7d || c === 0x5d) depth--
    else if (c === 0x2d || (c >= 0x30 && c <= 0x39)) {
      const start = i
      while (isNumberPart(text.charCodeAt(i + 1))) i++
      if (i + 1 - start > limits.maxNumberLength) beyondLimits = true
      else if (!survives(text, start, i + 1)) {
        const token = text.slice(start, i + 1)
        exact.push({ ordinal: numbers, text: token })
        if (HUGE_EXPONENT.test(token)) beyondLimits = true
      }
      numbers++
    }
  }
  const surrogateEscapes = text.includes('\\u') && /\\u[dD][89a-fA-F]/.test(text)
  return { keys, exact, beyondLimits, surrogateEscapes }
}

/** Counts the keys of all objects and puts exact numbers where they belong. */
class NumberWalk {
  keys = 0
  /** A key is `__proto__`, which a later copy would turn into a prototype. */
  prototypes = false
  /** A key looks like an array index, so numbers do not come in the order of the text. */
  reordered = false
  private ordinal = 0
  private at = 0
  private next: number

  constructor(private readonly shape: Shape) {
    this.next = shape.exact[0]?.ordinal ?? -1
  }

  visit(value: JsonValue): void {
    if (typeof value !== 'object' || value === null || value instanceof ExactNumber) return
    if (Array.isArray(value)) {
      for (let index = 0; index < value.length; index++) {
        const item = value[index]
        if (typeof item === 'object') this.visit(item)
        else if (typeof item === 'number' && this.ordinal++ === this.next) value[index] = this.take()
      }
      return
    }
    for (const key in value) {
      const first = key.charCodeAt(0)
      if (first <= 0x39 && first >= 0x30) this.reordered = true
      else if (key === '__proto__') this.prototypes = true
      this.keys++
      const item = value[key]
      if (typeof item === 'object') this.visit(item)
      else if (typeof item === 'number' && this.ordinal++ === this.next) value[key] = this.take()
    }
  }

  private take(): ExactNumber {
    const number = new ExactNumber(this.shape.exact[this.at]?.text ?? '')
    this.next = this.shape.exact[++this.at]?.ordinal ?? -1
    return number
  }
}

/** Index of the quote that ends the string opened at `open`, or −1. */
function closingQuote(text: string, open: number): number {
  let close = text.indexOf('"', open + 1)
  while (close > 0 && text.charCodeAt(close - 1) === 0x5c) {
    let start = close - 1
    while (text.charCodeAt(start - 1) === 0x5c) start--
    if ((close - start) % 2 === 0) break
    close = text.indexOf('"', close + 1)
  }
  return close
}

function isNumberPart(c: number): boolean {
  return (c >= 0x30 && c <= 0x39) || c === 0x2e || c === 0x2b || c === 0x2d || c === 0x65 || c === 0x45
}

function survives(text: string, start: number, end: number): boolean {
  const first = text.charCodeAt(start)
  if (end - start <= 15 && (first !== 0x30 || end - start === 1)) {
    let i = start
    while (i < end && text.charCodeAt(i) >= 0x30 && text.charCodeAt(i) <= 0x39) i++
    if (i === end) return true
  }
  const token = text.slice(start, end)
  return String(Number(token)) === token
}

function isWellFormed(value: JsonValue): boolean {
  if (typeof value === 'string') return value.isWellFormed()
  if (typeof value !== 'object' || value === null || value instanceof ExactNumber) return true
  if (Array.isArray(value)) return value.every(isWellFormed)
  return Object.entries(value).every(([key, item]) => key.isWellFormed() && isWellFormed(item))
}

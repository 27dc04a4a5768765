import type { JsonObject, JsonValue } from '../../src/fhir/json.js'
import { isNumber } from '../../src/fhir/json.js'

/** Shorter texts are found by chance. */
const SHORTEST = 6

/** Texts of a resource that say whose it is or what it is about: family names, streets, identifiers, birth dates, codes. */
export function tellingTexts(value: JsonValue, into = new Set<string>()): Set<string> {
  if (Array.isArray(value)) for (const item of value) tellingTexts(item, into)
  if (typeof value !== 'object' || value === null || Array.isArray(value) || isNumber(value)) return into
  for (const [name, item] of Object.entries(value)) {
    if (name === 'identifier') for (const one of [item].flat()) add(into, (one as JsonObject | null)?.['value'])
    else if (name === 'family' || name === 'birthDate') add(into, item)
    else if (name === 'line') for (const line of item as JsonValue[]) add(into, line)
    else if (name === 'code' && typeof item === 'string' && /\d{3}/.test(item)) add(into, item)
    tellingTexts(item, into)
  }
  return into
}

/** What may stand in a UUID or a digest by chance, such as `6298-4`, is looked for as JSON has it, in its quotes. */
const BY_CHANCE = /^[0-9a-f]{1,8}(-[0-9a-f]{1,4})?$/i

function add(into: Set<string>, text: unknown): void {
  if (typeof text !== 'string' || text.length < SHORTEST) return
  into.add(BY_CHANCE.test(text) ? `"${text}"` : text)
}

/**
 * Finds texts in bytes, whatever their case: in UTF-8, without diacritics, in UTF-16, hexadecimal and base64 at each of its three
 * alignments. One pass over the bytes for all of them.
 */
export class Needles {
  /** By the first four bytes of a form in small letters. */
  readonly #byStart = new Map<number, { readonly form: Buffer; readonly text: string }[]>()
  readonly #starts = new Uint8Array(1 << 20)

  constructor(texts: Iterable<string>) {
    for (const text of texts) for (const form of formsOf(text)) this.#add(form, text)
  }

  /** Which of the texts are in the bytes. */
  in(bytes: Uint8Array): Set<string> {
    const found = new Set<string>()
    let window = 0
    for (let i = 0; i < bytes.length; i++) {
      window = (window << 8) | small(bytes[i] as number)
      if (i < 3 || this.#starts[slot(window)] === 0) continue
      for (const { form, text } of this.#byStart.get(window) ?? []) if (isAt(bytes, i - 3, form)) found.add(text)
    }
    return found
  }

  #add(form: Buffer, text: string): void {
    const bytes = Buffer.from(form.map(small))
    const start = bytes.readInt32BE(0)
    this.#byStart.set(start, [...(this.#byStart.get(start) ?? []), { form: bytes, text }])
    this.#starts[slot(start)] = 1
  }
}

function formsOf(text: string): Buffer[] {
  const utf8 = Buffer.from(text)
  const plain = Buffer.from(text.normalize('NFD').replace(/\p{M}/gu, ''))
  const base64 = [0, 1, 2].map((before) => {
    const whole = Buffer.concat([Buffer.alloc(before), utf8])
      .toString('base64')
      .replace(/=+$/, '')
    // Characters at both ends hold bits of the neighbours too.
    const end = (before + utf8.length) % 3 === 0 ? whole.length : whole.length - 1
    return Buffer.from(whole.slice(Math.ceil((before * 8) / 6), end))
  })
  return [utf8, plain, Buffer.from(text, 'utf16le'), Buffer.from(utf8.toString('hex')), ...base64]
}

function small(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
}

function slot(window: number): number {
  return Math.imul(window, 0x9e3779b1) >>> 12
}

function isAt(bytes: Uint8Array, at: number, form: Uint8Array): boolean {
  if (at + form.length > bytes.length) return false
  for (let i = 4; i < form.length; i++) if (small(bytes[at + i] as number) !== form[i]) return false
  return true
}

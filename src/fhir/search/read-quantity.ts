import { isNumber, numberText, numberValue } from '../json.js'
import { type DecimalRange, decimalRange } from './decimal.js'
import type { Element, Finding, Readers } from './finding.js'
import { canonicalAmount } from './ucum.js'

export const readNumber: Readers = { integer, positiveInt: integer, unsignedInt: integer, decimal }

export const readQuantity: Readers = {
  Quantity: quantity,
  Age: quantity,
  Duration: quantity,
  Money: money,
  Range: range,
  SampledData: sampledData,
}

function exact(value: unknown): DecimalRange | undefined {
  return isNumber(value) ? decimalRange(numberText(value)) : undefined
}

/** Integers have no precision to speak of: "searching is based on exact matches". */
function integer(value: unknown, found: Finding): void {
  const at = exact(value)
  if (at) found.out.push({ param: found.param, kind: 'number', value: at.value, lo: at.value, hi: at.value })
}

function decimal(value: unknown, found: Finding): void {
  const at = exact(value)
  if (at) found.out.push({ param: found.param, kind: 'number', ...at })
}

function quantity(value: unknown, found: Finding): void {
  const { value: amount, comparator } = value as Element
  const at = exact(amount)
  if (at === undefined) return
  const open = typeof comparator === 'string' ? comparator[0] : undefined
  push(found, open === '<' ? { hi: at.value } : open === '>' ? { lo: at.value } : at, value as Element)
}

function range(value: unknown, found: Finding): void {
  const { low, high } = value as { low?: Element; high?: Element }
  const lo = exact(low?.['value'])
  const hi = exact(high?.['value'])
  if (lo === undefined && hi === undefined) return
  const ends = { ...(lo === undefined ? {} : { lo: lo.value }), ...(hi === undefined ? {} : { hi: hi.value }) }
  push(found, ends, low ?? high ?? {})
}

/** Doubles of one amount differ in their last digits. */
const DIGITS = 12

/**
 * "Just search on the bounds of the values in sampled data" (https://hl7.org/fhir/R4/observation.html#search): from the least of its values to the greatest.
 * Values that were beyond a limit of detection (`L`, `U`) leave that end open; errors (`E`) are none.
 */
function sampledData(value: unknown, found: Finding): void {
  const { origin, factor, data } = value as { origin?: Element; factor?: unknown; data?: unknown }
  const zero = origin?.['value']
  if (origin === undefined || !isNumber(zero) || typeof data !== 'string') return
  const scale = isNumber(factor) ? numberValue(factor) : 1
  const words = data.trim().split(/\s+/)
  let [least, greatest] = [Infinity, -Infinity]
  for (const word of words) {
    const amount = Number(word)
    if (!Number.isFinite(amount)) continue
    const at = amount * scale
    if (at < least) least = at
    if (at > greatest) greatest = at
  }
  if (least > greatest) return
  const [under, over] = scale < 0 ? ['U', 'L'] : ['L', 'U']
  const amountAt = (at: number): string => String(Number((at + numberValue(zero)).toPrecision(DIGITS)))
  const ends = {
    ...(words.includes(under) ? {} : { lo: amountAt(least) }),
    ...(words.includes(over) ? {} : { hi: amountAt(greatest) }),
  }
  push(found, ends, origin)
}

function money(value: unknown, found: Finding): void {
  const { value: amount, currency } = value as Element
  const at = exact(amount)
  if (at === undefined) return
  const unit = typeof currency === 'string' ? { system: 'urn:iso:std:iso:4217', code: currency } : {}
  found.out.push({ param: found.param, kind: 'quantity', ...at, ...unit })
}

function push(found: Finding, amount: Partial<DecimalRange>, of: Element): void {
  const unit = unitOf(of)
  const canonical = canonicalAmount(unit.system, unit.code, amount)
  found.out.push({
    param: found.param,
    kind: 'quantity',
    ...amount,
    ...unit,
    ...(canonical === undefined ? {} : { canonical }),
  })
}

function unitOf({ system, code, unit }: Element): { system?: string; code?: string; unit?: string } {
  return {
    ...(typeof system === 'string' ? { system } : {}),
    ...(typeof code === 'string' ? { code } : {}),
    ...(typeof unit === 'string' ? { unit } : {}),
  }
}

import { toCanonicalForm } from '@atomic-ehr/ucum'
import type { CanonicalAmount } from './index-value.js'

export const UCUM = 'http://unitsofmeasure.org'

/** An amount `x` of the unit is `x · factor + offset` in base units. */
interface BaseUnit {
  readonly unit: string
  readonly factor: number
  readonly offset: number
}

/** The library's own declaration of it cannot be resolved from an ES module. */
interface CanonicalForm {
  readonly magnitude: number
  readonly units: readonly { readonly unit: string; readonly exponent: number }[]
  readonly specialFunction?: unknown
}

/**
 * "Arbitrary units are not convertible to any other unit" (https://ucum.org/ucum, §24): the library takes them for
 * plain numbers, so that an [IU]/L would compare with a mol/L.
 */
const ARBITRARY = /\[(?:[iI]U|[^\]]*'U|CCID_50|TCID_50|EID_50|PFU|FFU|CFU|BAU|IR|AU|Lf|PNU|hp_[^\]]*|kp_[^\]]*)\]/
/** Scales with an origin of their own, which only stand alone; logarithmic ones (pH, B) have no base unit here. */
const SCALES: Readonly<Record<string, BaseUnit>> = {
  Cel: { unit: 'K1', factor: 1, offset: 273.15 },
  '[degF]': { unit: 'K1', factor: 5 / 9, offset: 459.67 * (5 / 9) },
}
/** Units of a server are few; those that a client makes up must not fill the memory. */
const REMEMBERED = 2_000
const LONGEST = 100
/** Doubles of one amount in two units differ in their last digits. */
const DIGITS = 12

const known = new Map<string, BaseUnit | null>()

/**
 * The amount in UCUM's base units; undefined for what has none: an unknown unit, one that is arbitrary or logarithmic,
 * one of no dimension ({score} and {beats} are both 1, and are not one thing).
 */
export function canonicalAmount(
  system: string | undefined,
  code: string | undefined,
  amount: { readonly value?: string; readonly lo?: string; readonly hi?: string },
): CanonicalAmount | undefined {
  if (system !== UCUM || code === undefined || code.length > LONGEST) return undefined
  const base = baseUnit(code)
  if (base === null) return undefined
  const convert = (text: string): string =>
    String(Number((Number(text) * base.factor + base.offset).toPrecision(DIGITS)))
  const { value, lo, hi } = amount
  return {
    unit: base.unit,
    ...(value === undefined ? {} : { value: convert(value) }),
    ...(lo === undefined ? {} : { lo: convert(lo) }),
    ...(hi === undefined ? {} : { hi: convert(hi) }),
  }
}

function baseUnit(code: string): BaseUnit | null {
  let unit = known.get(code)
  if (unit === undefined) {
    unit = work(code)
    if (known.size >= REMEMBERED) known.clear()
    known.set(code, unit)
  }
  return unit
}

function work(code: string): BaseUnit | null {
  if (Object.hasOwn(SCALES, code)) return SCALES[code] ?? null
  if (ARBITRARY.test(code)) return null
  try {
    const { magnitude, units, specialFunction }: CanonicalForm = toCanonicalForm(code)
    if (specialFunction !== undefined || units.length === 0 || !Number.isFinite(magnitude)) return null
    const dimension = units.map(({ unit, exponent }) => `${unit}${exponent}`).sort()
    return { unit: dimension.join('.'), factor: magnitude, offset: 0 }
  } catch {
    return null // no unit of UCUM
  }
}

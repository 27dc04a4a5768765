/** Exact decimal texts without exponent and needless zeros; [lo, hi) is what the precision of the text implies. */
export interface DecimalRange {
  readonly value: string
  readonly lo: string
  readonly hi: string
}

const FORM = /^([+-]?)(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d{1,6}))?$/
/** Beyond this no measurement goes, and a text such as 1e999999 must not become a million digits. */
const MAX_EXPONENT = 400

/**
 * "The number of significant digits of the implicit range is the number of digits specified in the search
 * parameter value, excluding leading zeros" (https://hl7.org/fhir/R4/search.html#number): 100 is [99.5, 100.5),
 * 1e2 is [50, 150) (R4's own example of [95, 105) goes against that sentence; R5 corrected it).
 *
 * @returns undefined if the text is no number or its exponent is beyond 400
 */
export function decimalRange(text: string): DecimalRange | undefined {
  const match = FORM.exec(text)
  if (match === null) return undefined
  const fraction = match[3] ?? ''
  const exponent = Number(match[4] ?? 0) - fraction.length
  if (Math.abs(exponent) > MAX_EXPONENT) return undefined
  const digits = BigInt((match[2] ?? '') + fraction)
  const mantissa = match[1] === '-' ? -digits : digits
  return {
    value: plain(mantissa, exponent),
    lo: plain(mantissa * 10n - 5n, exponent - 1),
    hi: plain(mantissa * 10n + 5n, exponent - 1),
  }
}

/** mantissa × 10^exponent */
function plain(mantissa: bigint, exponent: number): string {
  if (mantissa === 0n) return '0'
  const sign = mantissa < 0n ? '-' : ''
  const digits = (mantissa < 0n ? -mantissa : mantissa).toString()
  if (exponent >= 0) return sign + digits + '0'.repeat(exponent)
  const padded = digits.padStart(1 - exponent, '0')
  const whole = padded.slice(0, exponent)
  const fraction = padded.slice(exponent).replace(/0+$/, '')
  return sign + whole + (fraction === '' ? '' : `.${fraction}`)
}

/**
 * The forms in which texts are compared. Index and query use the same functions; a change here means that
 * every resource must be indexed again.
 */

const PLAIN = /^[a-z0-9]+(?: [a-z0-9]+)*$/i
/** Apostrophes and points join (O'Brien, U.S.A.) ... */
const JOINING = /['’ʼ‘`´.]/g
/** ... accents go, and every other punctuation parts words. */
const MARKS = /\p{M}+/gu
const PARTING = /[\p{P}\s]+/gu

/**
 * "Insensitive to casing and included combining characters, like accents or other diacritical marks.
 * Punctuation and non-significant whitespace should also be ignored" (https://hl7.org/fhir/R4/search.html#string).
 * The result may be empty.
 */
export function normaliseString(text: string): string {
  if (PLAIN.test(text)) return text.toLowerCase()
  // lower, upper, lower: as near as JavaScript comes to Unicode's case folding (ẞ, ß, ſ, final ς)
  const base = text.replace(JOINING, '').normalize('NFKD')
  const folded = base.toLowerCase().toUpperCase().toLowerCase().normalize('NFKD').replaceAll('ς', 'σ')
  return folded.replace(JOINING, '').replace(MARKS, '').replace(PARTING, ' ').trim()
}

/** The words of a normalised text if there are several. */
export function wordsOf(normal: string): string[] {
  return normal.includes(' ') ? normal.split(' ') : []
}

/** "If the underlying data type is string then the search is not case sensitive" (R4, token). */
export function foldText(text: string): string {
  return text.trim().normalize('NFC').toLowerCase()
}

const TELEPHONE = /^\+?[\d\s().\-/]*\d[\d\s().\-/]*$/
const SEPARATORS = /[\s().\-/]+/g

/**
 * "Token searches on ContactPoint may use special handling, such as ignoring punctuation" (R4, token): what
 * looks like a telephone number loses its separators, anything else its case.
 */
export function foldContactPoint(value: string): string {
  return TELEPHONE.test(value) ? value.replace(SEPARATORS, '') : foldText(value)
}

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

/** The words of a text in the form in which `:text` compares them, each once. */
export function textWords(text: string): string[] {
  const normal = normaliseString(text)
  return normal === '' ? [] : [...new Set(normal.split(' '))]
}

/** So many that no resource with such a URL is indexed (records/index-budget.ts). */
const MOST_PLACES = 20_000

/**
 * A URL and what it lies below: `http://a.org/b/c`, `http://a.org/b`, `http://a.org`, `http`; "this applies only to
 * URLs, and not URNs such as OIDs" (https://hl7.org/fhir/R4/search.html#uri). Empty for what is no URL.
 */
export function uriAncestors(uri: string): string[] {
  const path = trimSlashes(uri)
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(path)
  if (scheme === null || scheme[1]?.toLowerCase() === 'urn') return []
  const found = [path]
  for (let at = path.length; found.length < MOST_PLACES && (at = path.lastIndexOf('/', at - 1)) >= scheme[0].length;) {
    found.push(path.slice(0, at))
  }
  return [...found, scheme[1] ?? '']
}

/** `http://a.org/b/` as `http://a.org/b`, and `http://` as `http`. */
export function trimSlashes(uri: string): string {
  let end = uri.length
  while (end > 0 && uri[end - 1] === '/') end--
  const trimmed = uri.slice(0, end)
  return end < uri.length && /^[a-z][a-z0-9+.-]*:$/i.test(trimmed) ? trimmed.slice(0, -1) : trimmed
}

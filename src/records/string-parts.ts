/** Prefixes of strings from one character to this many have a token each; a longer search is cut to it. */
export const LONGEST_PREFIX = 64

/** `:contains` has a token for every part of a string up to so many characters; a longer search needs all of its parts. */
export const LONGEST_PART = 8

/** Characters of a string in which `:contains` finds something. */
export const CONTAINING = 256

/** Every part of a string up to LONGEST_PART characters. */
export function partsOf(normal: string): Set<string> {
  const parts = new Set<string>()
  const end = Math.min(normal.length, CONTAINING)
  for (let from = 0; from < end; from++) {
    for (let to = from + 1; to <= Math.min(from + LONGEST_PART, end); to++) parts.add(normal.slice(from, to))
  }
  return parts
}

/** The beginnings of a string, from one character to LONGEST_PREFIX. */
export function prefixesOf(normal: string): string[] {
  return Array.from({ length: Math.min(normal.length, LONGEST_PREFIX) }, (_, i) => normal.slice(0, i + 1))
}

/** The parts of which a string must have all to contain the text, as far as the index tells. */
export function partsAsked(normal: string): string[] {
  const last = Math.max(normal.length - LONGEST_PART, 0)
  return Array.from({ length: last + 1 }, (_, i) => normal.slice(i, i + LONGEST_PART))
}

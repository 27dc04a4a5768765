import { doubleMetaphone } from 'double-metaphone'
import type { Clause } from '../../clauses/clause.js'
import type { Element, Finding, Readers } from './finding.js'
import { textWords } from './normalise.js'
import { Refusal } from './refusal.js'

/*
 * `phonetic`, https://hl7.org/fhir/R4/patient.html#search: "A portion of either family or given name using some kind of phonetic matching
 * algorithm", which is Double Metaphone (L. Philips, The Double Metaphone Search Algorithm, C/C++ Users Journal 18(6), 2000) here.
 */

/** As of a SearchParameter. */
type Paths = readonly (readonly [places: string, type: string, extra?: string])[]

/** Characters of a word that sound. */
const LONGEST_WORD = 64

/** By the data type of a name, what the index has of it. */
const SOUNDING: Readonly<Record<string, string>> = { HumanName: 'soundOfHumanName', string: 'soundOfString' }

export const readSounds: Readers = {
  soundOfHumanName: (value, found) => {
    const { text, family, given } = value as Element
    push(found, [text, family, given].flat())
  },
  soundOfString: (value, found) => push(found, [value]),
}

/** The paths of R4's `phonetic`, to what sounds in place of names. */
export function soundingPaths(paths: Paths): Paths {
  return paths.map(([places, type]) => [places, SOUNDING[type] ?? type])
}

/** True for R4's own parameter: another definition of that code may mean anything. */
export function isPhonetic({ kind, paths }: { readonly kind: string; readonly paths: Paths }): boolean {
  return kind === 'string' && paths.some(([, type]) => Object.hasOwn(readSounds, type))
}

/**
 * Names in which each word of the text sounds like a word of theirs, whatever the order.
 *
 * @param spend called for each word
 * @throws Refusal for what has no word
 */
export function parseSounds(param: string, text: string, spend: () => void): Clause {
  const clauses = textWords(text).map((word): Clause => {
    spend()
    const values = soundsOf(word).map((sound) => ({ text: [sound] }))
    return { is: 'filter', param, kind: 'token', modifier: 'text', values }
  })
  const [only] = clauses
  if (only === undefined) throw new Refusal('value', 'has no word that could sound like one of a name')
  return clauses.length === 1 ? only : { is: 'all', clauses }
}

function push({ param, out }: Finding, texts: readonly unknown[]): void {
  const words = texts.flatMap((text) => (typeof text === 'string' ? textWords(text) : []))
  const sounds = [...new Set(words.flatMap(soundsOf))]
  if (sounds.length > 0) out.push({ param, kind: 'token', words: sounds })
}

/** One sound, or two where a word is spoken in two ways. What has no Latin letters sounds like itself; codes are in upper case, words never are. */
function soundsOf(word: string): string[] {
  const heard = word.slice(0, LONGEST_WORD)
  const codes = doubleMetaphone(heard).filter((code) => code !== '')
  return codes.length === 0 ? [heard] : [...new Set(codes)]
}

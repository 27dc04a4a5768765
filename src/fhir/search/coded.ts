import type { Terminology } from '../terminology.js'
import { UnknownContent } from '../terminology.js'
import { splitEscaped, unescape } from './escape.js'
import type { TokenValue } from '../../clauses/clause.js'
import { Refusal } from './refusal.js'

/** What `:in`, `:not-in`, `:above` and `:below` ask of a terminology; all throw UnknownContent for what is not there. */
export type CodesOf = Pick<Terminology, 'expand' | 'subsumed' | 'subsuming'>

/** Codes that one value may stand for. */
const MOST = 10_000

/**
 * The codes that a value with `:in`, `:not-in`, `:above` or `:below` stands for
 * (https://hl7.org/fhir/R4/search.html#token): a value set by its URL, or `system|code` and the hierarchy around it.
 */
export function codesFor(
  text: string,
  modifier: 'in' | 'not-in' | 'above' | 'below',
  terminology: CodesOf,
): TokenValue[] {
  const codes = knownCodes(text, modifier, terminology)
  if (codes.length > MOST) throw new Refusal('too-costly', `stands for more than ${MOST} codes`)
  return codes.map(({ system, code }) => (system === undefined ? { code } : { system, code }))
}

function knownCodes(text: string, modifier: 'in' | 'not-in' | 'above' | 'below', terminology: CodesOf) {
  try {
    if (modifier === 'in' || modifier === 'not-in') return terminology.expand(unescape(text))
    const [system = '', code = '', ...more] = splitEscaped(text, '|').map(unescape)
    if (system === '' || code === '' || more.length > 0) {
      throw new Refusal('value', `needs system|code with :${modifier}, for the hierarchy is that of a code system`)
    }
    return modifier === 'below' ? terminology.subsumed(system, code) : terminology.subsuming(system, code)
  } catch (error) {
    if (!(error instanceof UnknownContent)) throw error
    throw new Refusal('not-supported', `asks for a code system or value set that this server does not have in full`)
  }
}

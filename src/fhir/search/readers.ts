import type { Readers } from './finding.js'
import type { FilterKind } from '../../clauses/clause.js'
import { readFullText } from './full-text.js'
import { readSounds } from './phonetic.js'
import { readSpecial } from './position.js'
import { readDate } from './read-date.js'
import { readNumber, readQuantity } from './read-quantity.js'
import { readReference } from './read-reference.js'
import { readString, readUri } from './read-string.js'
import { readToken } from './read-token.js'

/** Kind of the parameter → data type → reader (https://hl7.org/fhir/R4/search.html#table). */
export const READERS: Readonly<Partial<Record<FilterKind, Readers>>> = {
  token: readToken,
  // words of narratives and sounds of names are no strings, though R4 calls the parameters so
  string: { ...readString, ...readFullText, ...readSounds },
  uri: readUri,
  reference: readReference,
  date: readDate,
  number: readNumber,
  quantity: readQuantity,
  special: readSpecial,
}

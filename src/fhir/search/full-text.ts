import type { Clause } from '../../clauses/clause.js'
import { isNumber, numberText } from '../json.js'
import { decodeEntities } from '../xml-text.js'
import type { Finding, Readers } from './finding.js'
import { textWords } from './normalise.js'
import { Refusal } from './refusal.js'

/** What of a resource's words is indexed: none, those of the narrative (`_text`), or all of them (`_text` and `_content`). */
export type FullText = 'none' | 'narrative' | 'content'

export const FULL_TEXT_PARAMETERS: ReadonlySet<string> = new Set(['_text', '_content'])

/** Different words of one resource; what comes after them is not found. */
const MOST_WORDS = 5_000
/** Characters of a word; what is longer is an encoded document or a key, which nobody searches for. */
const LONGEST_WORD = 64

/** A tag of XHTML; attributes may have `>` in their values. */
const TAG = /<(?:"[^"]*"|'[^']*'|[^"'<>])*>/g

export const readFullText: Readers = {
  narrative: (div, found) => {
    if (typeof div === 'string') push(found, wordsOf([textOf(div)]))
  },
  content: (resource, found) => push(found, wordsOf(texts(resource))),
}

function push({ param, out }: Finding, words: readonly string[]): void {
  if (words.length > 0) out.push({ param, kind: 'token', words })
}

const textOf = (div: string): string => decodeEntities(div.replace(TAG, ' '))

function wordsOf(sources: Iterable<string>): string[] {
  const words = new Set<string>()
  for (const text of sources) {
    for (const word of textWords(text)) {
      if (word.length <= LONGEST_WORD) words.add(word)
      if (words.size === MOST_WORDS) return [...words]
    }
  }
  return [...words]
}

/** Every value in a resource, whatever the element. */
function* texts(value: unknown, name = ''): Generator<string> {
  if (typeof value === 'string') yield name === 'div' ? textOf(value) : value
  else if (isNumber(value)) yield numberText(value)
  else if (Array.isArray(value)) for (const each of value) yield* texts(each, name)
  else if (typeof value === 'object' && value !== null) {
    for (const [key, each] of Object.entries(value)) yield* texts(each, key)
  }
}

/** Parentheses and `not` inside of each other. */
const MOST_NESTED = 20

/**
 * `(bone OR liver) and metastases`, the form of R4's example (https://hl7.org/fhir/R4/search.html#content); it leaves the rest to the server:
 *
 *     or    := and ('or' and)*
 *     and   := not ('and'? not)*
 *     not   := 'not' not | '(' or ')' | word
 *
 * Words are whole, whatever their case and accents.
 *
 * @param spend called for each word
 * @throws Refusal
 */
export function parseFullText(param: string, text: string, spend: () => void): Clause {
  const parser = new FullTextParser(param, text.match(/[()]|[^\s()]+/g) ?? [], spend)
  return parser.all()
}

class FullTextParser {
  #at = 0

  constructor(
    private readonly param: string,
    private readonly parts: readonly string[],
    private readonly spend: () => void,
  ) {}

  all(): Clause {
    const clause = this.#or(0)
    if (this.#at < this.parts.length) throw new Refusal('value', 'has a closing parenthesis that nothing opens')
    return clause
  }

  #or(depth: number): Clause {
    if (depth > MOST_NESTED) {
      throw new Refusal('too-costly', `has more than ${MOST_NESTED} parentheses inside of each other`)
    }
    const clauses = [this.#and(depth)]
    while (this.#take('or')) clauses.push(this.#and(depth))
    return several('any', clauses)
  }

  #and(depth: number): Clause {
    const clauses = [this.#not(depth)]
    for (;;) {
      if (!this.#take('and') && !this.#begins()) return several('all', clauses)
      clauses.push(this.#not(depth))
    }
  }

  #not(depth: number): Clause {
    if (depth > MOST_NESTED) throw new Refusal('too-costly', `has more than ${MOST_NESTED} times not`)
    if (this.#take('not')) return { is: 'none', clause: this.#not(depth + 1) }
    if (!this.#take('(')) return this.#word()
    const clause = this.#or(depth + 1)
    if (!this.#take(')')) throw new Refusal('value', 'has a parenthesis that is not closed')
    return clause
  }

  /** A text such as `x-ray` is several words. */
  #word(): Clause {
    const part = this.parts[this.#at]
    if (part === undefined || !this.#begins()) throw new Refusal('value', 'needs a word beside and, or, not')
    this.#at++
    if (/["*?~^]/.test(part)) {
      throw new Refusal(
        'not-supported',
        'is made of whole words with and, or, not and ( ); phrases and wildcards are not served',
      )
    }
    const words = textWords(part)
    if (words.length === 0) throw new Refusal('value', 'has punctuation in place of a word')
    const clauses = words.map((word): Clause => {
      this.spend()
      return { is: 'filter', param: this.param, kind: 'token', modifier: 'text', values: [{ text: [word] }] }
    })
    return several('all', clauses)
  }

  #take(word: string): boolean {
    if (this.parts[this.#at]?.toLowerCase() !== word) return false
    this.#at++
    return true
  }

  /** What comes next is a word, `not` or an opening parenthesis. */
  #begins(): boolean {
    const part = this.parts[this.#at]?.toLowerCase()
    return part !== undefined && part !== ')' && part !== 'or' && part !== 'and'
  }
}

function several(is: 'all' | 'any', clauses: readonly Clause[]): Clause {
  const [only] = clauses
  return clauses.length === 1 && only !== undefined ? only : { is, clauses }
}

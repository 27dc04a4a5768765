import { isResourceType } from './definitions/structures.js'
import { placeAt, type TextPlace } from './text-place.js'

export interface JsonLimits {
  /** UTF-8 bytes (UTF-16 units where a string is given). */
  readonly maxBytes: number
  /** Objects and arrays inside one another. */
  readonly maxDepth: number
  /** Characters of one number. */
  readonly maxNumberLength: number
}

/** The first place where a text is not the JSON that we accept. Never holds a piece of the text but its keys. */
export interface JsonFault extends TextPlace {
  /** RFC 6901, of the value that was being read; empty for the whole document. */
  readonly pointer: string
  /** FHIRPath of the same, as far as names of elements go; absent if there is none. */
  readonly expression?: string
  /** What is wrong, and what would be right. */
  readonly reason: string
}

/**
 * Reads a refused text again, slowly, to say where and why; only for texts that `parseJson` refused.
 * The grammar is RFC 8259; the rules beyond it are those that `parseJson` lists.
 */
export function findJsonFault(text: string, limits: JsonLimits): JsonFault {
  const reader = new FaultReader(text, limits)
  try {
    reader.document()
  } catch (fault) {
    if (fault instanceof Found) return reader.locate(fault)
    throw fault
  }
  return reader.locate(new Found('the document was refused.', 0))
}

class Found extends Error {
  constructor(
    readonly reason: string,
    readonly at: number,
  ) {
    super(reason)
  }
}

/** Beyond ±999: whoever expands `1e999999999` to digits would exhaust the memory. */
export const HUGE_EXPONENT = /[eE][+-]?0*[1-9][0-9]{3,}/

const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![0-9.eE+-])/y
const SPACE = /[ \t\n\r]*/y
const LITERAL = /(?:true|false|null)\b/y
const ESCAPES = 'a backslash stands before one of " \\ / b f n r t, or before u and four hexadecimal digits'
/** What an element can be called; anything else may be data at a wrong place. */
const ELEMENT = /^[A-Za-z][A-Za-z0-9]{0,63}$/

class FaultReader {
  private at = 0
  private depth = 0
  /** Of the whole document, once it was read. */
  private resourceType: string | undefined
  private readonly path: (string | number)[] = []

  constructor(
    private readonly text: string,
    private readonly limits: JsonLimits,
  ) {}

  document(): void {
    this.space()
    if (this.at === this.text.length) throw new Found('the document is empty; a JSON value is expected.', this.at)
    this.value()
    if (this.at < this.text.length) throw new Found('nothing may follow the end of the document.', this.at)
  }

  locate(fault: Found): JsonFault {
    const expression = this.expression()
    return {
      ...placeAt(this.text, fault.at),
      pointer: this.path
        .map((step) => '/' + String(step).slice(0, 80).replace(/~/g, '~0').replace(/\//g, '~1'))
        .join(''),
      ...(expression === '' ? {} : { expression }),
      reason: fault.reason,
    }
  }

  private expression(): string {
    let expression = this.resourceType ?? ''
    for (const step of this.path) {
      // `_birthDate` has what stands beside the value of `birthDate`
      const name = typeof step === 'string' ? step.replace(/^_/, '') : ''
      if (typeof step === 'number' ? expression === '' : !ELEMENT.test(name)) break
      if (typeof step === 'number') expression += `[${step}]`
      else expression += expression === '' ? name : `.${name}`
    }
    return expression
  }

  /** @returns a string's own value */
  private value(): string | undefined {
    const c = this.text[this.at]
    let text: string | undefined
    if (c === '{') this.object()
    else if (c === '[') this.array()
    else if (c === '"') text = this.string('a string')
    else if (c !== undefined && /[-0-9]/.test(c)) this.number()
    else if (this.match(LITERAL) === null) {
      throw new Found(
        `${c === undefined ? 'the document ends where a value is expected' : 'a value is expected'}: a string in double quotes, a number, true, false, null, or what is in {} or [].`,
        this.at,
      )
    }
    this.space()
    return text
  }

  private object(): void {
    const close = this.open()
    const seen = new Set<string>()
    while (this.text[this.at] !== '}') {
      const start = this.at
      if (this.text[start] !== '"') throw new Found('a property name in double quotes or } is expected.', start)
      const key = this.string('a property name')
      if (key === '__proto__') throw new Found('a property must not be named __proto__.', start)
      this.path.push(key)
      if (seen.has(key)) {
        throw new Found('this property is there twice in one object; several values of one are a list in [].', start)
      }
      seen.add(key)
      this.space()
      if (this.text[this.at] !== ':') throw new Found('a colon is expected after the property name.', this.at)
      this.at++
      this.space()
      const text = this.value()
      if (this.depth === 1 && key === 'resourceType' && text !== undefined && isResourceType(text)) {
        this.resourceType = text
      }
      this.path.pop()
      if (!this.comma('}')) break
    }
    close('}')
  }

  private array(): void {
    const close = this.open()
    for (let index = 0; this.text[this.at] !== ']'; index++) {
      this.path.push(index)
      this.value()
      this.path.pop()
      if (!this.comma(']')) break
    }
    close(']')
  }

  private open(): (bracket: string) => void {
    if (++this.depth > this.limits.maxDepth) {
      throw new Found(`objects and arrays are nested deeper than the allowed ${this.limits.maxDepth}.`, this.at)
    }
    this.at++
    this.space()
    return (bracket) => {
      if (this.text[this.at] !== bracket) throw new Found(`a comma or ${bracket} is expected.`, this.at)
      this.at++
      this.depth--
    }
  }

  private comma(bracket: string): boolean {
    if (this.text[this.at] !== ',') return false
    this.at++
    this.space()
    if (this.text[this.at] === bracket) throw new Found('a comma must not stand before the closing bracket.', this.at)
    return true
  }

  private string(what: string): string {
    const start = this.at
    for (let c = this.text[++this.at]; c !== '"'; c = this.text[this.at]) {
      if (c === undefined) throw new Found(`${what} is not closed; a double quote is expected at its end.`, start)
      if (c < ' ')
        throw new Found(`${what} holds a control character; it must be escaped, as in \\n or \\u0009.`, this.at)
      if (c !== '\\') this.at++
      else if (this.match(ESCAPE) === null) {
        throw new Found(`${what} holds an unknown escape; ${ESCAPES}.`, this.at)
      }
    }
    const value = JSON.parse(this.text.slice(start, ++this.at)) as string
    if (!value.isWellFormed()) throw new Found(`${what} holds a lone surrogate; two escapes make one character.`, start)
    return value
  }

  private number(): void {
    const start = this.at
    const token = this.match(NUMBER)
    if (token === null)
      throw new Found('this is not a number by the grammar of JSON, such as 0.5, -12 or 1.5e3.', start)
    if (HUGE_EXPONENT.test(token)) throw new Found('the exponent is beyond 999, the greatest that is read.', start)
    if (token.length > this.limits.maxNumberLength) {
      throw new Found(`the number is longer than the allowed ${this.limits.maxNumberLength} characters.`, start)
    }
  }

  private space(): void {
    this.match(SPACE)
  }

  private match(pattern: RegExp): string | null {
    pattern.lastIndex = this.at
    const found = pattern.exec(this.text)
    if (found === null) return null
    this.at += found[0].length
    return found[0]
  }
}

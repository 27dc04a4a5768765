import { type SaxesAttributeNS, SaxesParser, type SaxesTagNS } from 'saxes'
import { ConsentryError, type IssueCode } from '../../errors.js'
import { decodeUtf8, inWords, placeAt } from '../text-place.js'
import { isResourceType } from '../definitions/structures.js'
import { JSON_LIMITS, type JsonObject, type JsonValue } from '../json.js'
import { elementsOf, type ElementOfType, isAttribute, isPrimitive } from '../definitions/elements.js'
import { tidy, valueOf } from './json-form.js'
import { FHIR_NAMESPACE, withNamespace, XHTML_NAMESPACE } from './namespaces.js'
import { whyNotWellFormed } from './well-formed.js'

const XSI_NAMESPACE = 'http://www.w3.org/2001/XMLSchema-instance'
const XMLNS_NAMESPACE = 'http://www.w3.org/2000/xmlns/'

/**
 * Reads a resource from XML (https://hl7.org/fhir/R4/xml.html) as `parseJson` would give it from JSON: the same names,
 * arrays, numbers digit for digit, `_name` beside primitives with an id or extensions, `div` as its source text.
 *
 * Strict: well-formed XML 1.0 with namespaces, UTF-8, elements in the order of the definitions, no DOCTYPE (so no
 * entities beyond XML's own), no processing instruction, no text beside elements. Whether the resource is valid is for `validate`.
 *
 * @throws ConsentryError `malformed` with the FHIRPath of the element, line and column; `too-large` above the limits of JSON.
 */
export function parseXml(input: string | Uint8Array, limits: Partial<typeof JSON_LIMITS> = {}): JsonObject {
  const { maxBytes, maxDepth } = { ...JSON_LIMITS, ...limits }
  if (input.length > maxBytes) {
    throw new ConsentryError('too-large', `The document is larger than the allowed ${maxBytes} bytes.`)
  }
  const text = typeof input === 'string' ? input : decodeUtf8(input)
  return new Reader(text, maxDepth).read()
}

/** FHIR has three at most, and a narrative not many more. */
const MOST_ATTRIBUTES = 100

/** An XML element that is open. */
type Frame = ObjectFrame | PrimitiveFrame | HolderFrame

interface ObjectFrame {
  readonly is: 'object'
  readonly path: string
  readonly object: JsonObject
  readonly elements: ReadonlyMap<string, ElementOfType>
  /** Order of the child before, and its name. */
  last: number
  lastName: string
}

interface PrimitiveFrame {
  readonly is: 'primitive'
  readonly path: string
  /** `id` and `extension` beside the value. */
  readonly beside: JsonObject
}

/** An element of type Resource has one child: the resource. */
interface HolderFrame {
  readonly is: 'holder'
  readonly path: string
  readonly put: (resource: JsonObject) => void
  filled: boolean
}

const EXTENSION: ElementOfType = {
  name: 'extension',
  defined: 'extension',
  type: 'Extension',
  many: true,
  order: 0,
}

class Reader {
  readonly #parser = new SaxesParser({ xmlns: true, position: true })
  readonly #frames: Frame[] = []
  #root: JsonObject | undefined
  /** Where the parser told last of what it has read. */
  #understood = 0
  /** Local name of the tag that is being read. */
  #reading: string | undefined
  /** Of that tag, namespaces included. */
  #attributesRead = 0
  /** Start of the narrative that is being passed, and how many of its elements are open. */
  #narrative: { from: number; depth: number; put: (div: string) => void } | undefined

  constructor(
    private readonly text: string,
    private readonly maxDepth: number,
  ) {}

  read(): JsonObject {
    const parser = this.#parser
    parser.on('error', ({ message }) => {
      const at = Math.max(0, parser.position - 1)
      const { reason, index } = whyNotWellFormed(message, at, this.text, this.#understood)
      throw this.#fault(`The document is not well-formed XML: ${reason}`, 'structure', undefined, index)
    })
    parser.on('xmldecl', ({ encoding }) => {
      if (encoding !== undefined && !/^utf-?8$/i.test(encoding)) throw this.#fault('The encoding must be UTF-8')
    })
    parser.on('doctype', () => {
      throw this.#fault('A DOCTYPE is not allowed', 'security')
    })
    parser.on('processinginstruction', () => {
      throw this.#fault('Processing instructions are not allowed')
    })
    parser.on('comment', () => this.#understand())
    parser.on('cdata', () => this.#text('x'))
    parser.on('text', (text) => this.#text(text))
    parser.on('opentagstart', ({ name }) => {
      this.#attributesRead = 0
      this.#reading = name.slice(name.indexOf(':') + 1)
    })
    parser.on('attribute', () => {
      if (++this.#attributesRead > MOST_ATTRIBUTES) throw this.#fault('An element has too many attributes', 'too-long')
    })
    parser.on('opentag', (tag) => {
      this.#open(tag)
      this.#reading = undefined
      this.#understand()
    })
    parser.on('closetag', () => {
      this.#close()
      this.#understand()
    })
    parser.write(this.text).close()
    if (this.#root === undefined) throw this.#fault('There is no resource')
    return this.#root
  }

  #understand(): void {
    this.#understood = this.#parser.position
  }

  #open(tag: SaxesTagNS): void {
    if (this.#frames.length + (this.#narrative?.depth ?? 0) >= this.maxDepth) {
      throw this.#fault(`Elements may be nested ${this.maxDepth} deep`, 'too-long')
    }
    if (this.#narrative) return void this.#narrative.depth++
    const frame = this.#frames.at(-1)
    if (frame === undefined) {
      this.#root = this.#resource(tag, '')
    } else if (frame.is === 'holder') {
      if (frame.filled) throw this.#fault('Only one resource may stand here')
      frame.filled = true
      frame.put(this.#resource(tag, frame.path))
    } else if (frame.is === 'primitive') {
      if (tag.uri !== FHIR_NAMESPACE || tag.local !== 'extension')
        throw this.#fault('A primitive has no element but extension')
      this.#child(tag, frame.beside, frame.path, EXTENSION)
    } else {
      this.#child(tag, frame.object, frame.path, this.#elementOf(tag, frame))
    }
  }

  #elementOf(tag: SaxesTagNS, frame: ObjectFrame): ElementOfType {
    const element = frame.elements.get(tag.local)
    const expected = element?.type === 'xhtml' ? XHTML_NAMESPACE : FHIR_NAMESPACE
    if (element === undefined || isAttribute(element))
      throw this.#fault(`There is no element ${nameForMessage(tag.local)} here; ${named(frame)}`, 'structure')
    if (tag.uri !== expected) throw this.#fault(`${element.name} must be in the namespace ${expected}`)
    if (element.order < frame.last || (element.order === frame.last && element.name !== frame.lastName)) {
      throw this.#fault(`${element.name} must come before ${frame.lastName}`, 'structure')
    }
    if (element.order === frame.last && !element.many) throw this.#fault(`${element.name} may stand here once`)
    frame.last = element.order
    frame.lastName = element.name
    return element
  }

  #resource(tag: SaxesTagNS, path: string): JsonObject {
    if (tag.uri !== FHIR_NAMESPACE || !isResourceType(tag.local)) {
      throw this.#fault(`The element must be a resource of R4 in the namespace ${FHIR_NAMESPACE}`)
    }
    const place = path === '' ? tag.local : path
    this.#attributes(tag, [], place)
    const object: JsonObject = { resourceType: tag.local }
    this.#push(tag.local, object, place)
    return object
  }

  #push(type: string, object: JsonObject, path: string): void {
    const elements = elementsOf(type)
    if (elements === undefined) throw new ConsentryError('internal', 'The definitions name a type that they lack.')
    this.#frames.push({ is: 'object', path, object, elements, last: -1, lastName: '' })
  }

  #child(tag: SaxesTagNS, parent: JsonObject, above: string, element: ElementOfType): void {
    const { name, type, many } = element
    const before = parent[name] ?? parent[`_${name}`]
    const index = many && Array.isArray(before) ? before.length : 0
    const path = many ? `${above}.${name}[${index}]` : `${above}.${name}`
    const put = (value: JsonValue): void => {
      if (!many) parent[name] = value
      else if (Array.isArray(parent[name])) parent[name].push(value)
      else parent[name] = [value]
    }
    if (type === 'xhtml') {
      this.#narrative = { from: this.#startOfTag(), depth: 1, put }
    } else if (type === 'Resource') {
      this.#attributes(tag, [], path)
      this.#frames.push({ is: 'holder', path, put, filled: false })
    } else if (isPrimitive(type)) {
      this.#primitive(tag, parent, element, path)
    } else {
      const attributes = this.#attributes(tag, type === 'Extension' ? ['id', 'url'] : ['id'], path)
      const object: JsonObject = { ...attributes }
      put(object)
      this.#push(type, object, path)
    }
  }

  #primitive(tag: SaxesTagNS, parent: JsonObject, { name, type, many }: ElementOfType, path: string): void {
    const { value, ...beside } = this.#attributes(tag, ['id', 'value'], path)
    const read = value === undefined ? null : valueOf(type, value)
    const shadow = `_${name}`
    if (many) {
      const values = (parent[name] ??= []) as JsonValue[]
      values.push(read)
      const shadows = (parent[shadow] ??= []) as JsonValue[]
      shadows.push(beside)
    } else {
      if (read !== null) parent[name] = read
      parent[shadow] = beside
    }
    this.#frames.push({ is: 'primitive', path, beside })
  }

  #close(): void {
    const narrative = this.#narrative
    if (narrative) {
      if (--narrative.depth > 0) return
      narrative.put(withNamespace(this.text.slice(narrative.from, this.#parser.position)))
      this.#narrative = undefined
      return
    }
    const frame = this.#frames.pop()
    if (frame?.is === 'holder' && !frame.filled) throw this.#fault('A resource must stand here', 'required')
    if (frame?.is === 'object') tidy(frame.object)
    if (frame?.is === 'primitive') tidy(frame.beside)
  }

  #attributes(tag: SaxesTagNS, allowed: readonly string[], path?: string): Record<string, string> {
    const found: Record<string, string> = {}
    for (const { prefix, local, uri, value } of Object.values<SaxesAttributeNS>(tag.attributes)) {
      if (uri === XMLNS_NAMESPACE || uri === XSI_NAMESPACE) continue
      if (prefix !== '' || !allowed.includes(local)) {
        const known = allowed.length === 0 ? 'it has none' : `it has ${allowed.join(' and ')}`
        throw this.#fault(`There is no attribute ${nameForMessage(local)} here; ${known}`, 'structure', path)
      }
      if (value === '') throw this.#fault(`The attribute ${local} must not be empty: leave it out`, 'value', path)
      found[local] = value
    }
    return found
  }

  #text(text: string): void {
    this.#understand()
    if (this.#narrative || text.trim() === '') return
    throw this.#fault('Text may stand in a narrative only; values are attributes')
  }

  /** Of the tag that was just read. */
  #startOfTag(): number {
    return this.text.lastIndexOf('<', this.#parser.position - 1)
  }

  /** @param path of the element, if it is not the one that is open or being read @param index of the character; the last one read unless given */
  #fault(what: string, code: IssueCode = 'structure', path?: string, index?: number): ConsentryError {
    const expression = path ?? this.#path()
    const last = this.#reading === undefined ? Math.max(0, this.#parser.position - 1) : this.#startOfTag()
    const place = inWords(placeAt(this.text, index ?? last))
    return new ConsentryError('malformed', `${what} (${place}).`, {
      code,
      ...(expression === undefined ? {} : { expression: [expression] }),
    })
  }

  /** Of the element whose tag is being read if that is one of R4's, else of the one that is open. */
  #path(): string | undefined {
    const [frame, reading] = [this.#frames.at(-1), this.#reading]
    if (this.#narrative) return frame && `${frame.path}.div`
    if (reading === undefined || frame?.is === 'holder') return frame?.path
    if (frame === undefined) return isResourceType(reading) ? reading : undefined
    const elements = frame.is === 'object' ? frame.elements : new Map([[EXTENSION.name, EXTENSION]])
    const element = elements.get(reading)
    if (element === undefined || isAttribute(element)) return frame.path
    const values = (frame.is === 'object' ? frame.object : frame.beside)[reading]
    return `${frame.path}.${reading}${element.many ? `[${Array.isArray(values) ? values.length : 0}]` : ''}`
  }
}

/** Names of a message. */
const MOST_NAMES = 40

/** What may stand in an element, in its order. */
function named({ elements }: ObjectFrame): string {
  const names = [...new Set([...elements.values()].filter((of) => !isAttribute(of)).map(({ defined }) => defined))]
  return `it has ${names.slice(0, MOST_NAMES).join(', ')}${names.length > MOST_NAMES ? ' and others' : ''}`
}

function nameForMessage(name: string): string {
  return /^[A-Za-z][\w.-]{0,63}$/.test(name) ? name : 'of this name'
}

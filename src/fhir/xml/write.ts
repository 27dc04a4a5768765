import { ConsentryError } from '../../errors.js'
import { isNumber, type JsonObject, type JsonValue, numberText } from '../json.js'
import { encodeAttribute } from '../xml-text.js'
import { elementsOf, type ElementOfType, isPrimitive } from '../definitions/elements.js'
import { FHIR_NAMESPACE, withNamespace } from './namespaces.js'

/**
 * Writes a resource as XML (https://hl7.org/fhir/R4/xml.html), elements in the order of the definitions. What
 * `parseJson` read and `validate` accepted comes back equal from `parseXml`. `pretty`: an element a line.
 *
 * @throws ConsentryError `internal` for a property that R4 does not have: the resource was not valid
 */
export function stringifyXml(resource: JsonObject, pretty = false): string {
  const writer = new Writer(pretty)
  writer.resource(resource, ` xmlns="${FHIR_NAMESPACE}"`)
  return writer.text()
}

const EXTENSION: ElementOfType = {
  name: 'extension',
  defined: 'extension',
  type: 'Extension',
  many: true,
  order: 0,
}

class Writer {
  readonly #out: string[] = []
  #depth = 0

  constructor(private readonly pretty: boolean) {}

  text(): string {
    return this.#out.join('')
  }

  resource(resource: JsonObject, namespace: string): void {
    const type = resource['resourceType'] as string
    this.#line()
    this.#out.push('<', type, namespace, '>')
    this.#depth++
    this.#elements(type, resource, ['resourceType'])
    this.#end(type)
  }

  /** `beside`: properties that are no elements, such as `resourceType` or the `id` that is an attribute. */
  #elements(type: string, object: JsonObject, beside: readonly string[]): void {
    const elements = elementsOf(type)
    if (elements === undefined) throw unknown(type)
    const present = new Set<ElementOfType>()
    for (const key of Object.keys(object)) {
      if (beside.includes(key)) continue
      const element = elements.get(key.startsWith('_') ? key.slice(1) : key)
      if (element === undefined) throw unknown(`${type}.${key}`)
      present.add(element)
    }
    for (const element of [...present].sort((a, b) => a.order - b.order)) {
      const values = listOf(object[element.name])
      const shadows = listOf(object[`_${element.name}`])
      for (let i = 0; i < Math.max(values.length, shadows.length); i++) {
        this.#element(element, values[i] ?? null, (shadows[i] ?? null) as JsonObject | null)
      }
    }
  }

  #element({ name, type }: ElementOfType, value: JsonValue, beside: JsonObject | null): void {
    this.#line()
    if (type === 'xhtml') return void this.#out.push(withNamespace((value as string).trim()))
    if (isPrimitive(type)) return this.#primitive(name, value, beside)
    const object = value as JsonObject
    const attributes = type === 'Extension' ? ['id', 'url'] : ['id']
    this.#out.push('<', name)
    if (type !== 'Resource') for (const attribute of attributes) this.#attribute(attribute, object[attribute])
    this.#out.push('>')
    this.#depth++
    if (type === 'Resource') this.resource(object, '')
    else this.#elements(type, object, attributes)
    this.#end(name)
  }

  #primitive(name: string, value: JsonValue, beside: JsonObject | null): void {
    this.#out.push('<', name)
    this.#attribute('id', beside?.['id'])
    if (value !== null) this.#attribute('value', value)
    const extensions = beside?.['extension']
    if (extensions === undefined) return void this.#out.push('/>')
    this.#out.push('>')
    this.#depth++
    for (const extension of listOf(extensions)) this.#element(EXTENSION, extension, null)
    this.#end(name)
  }

  #attribute(name: string, value: JsonValue | undefined): void {
    if (value === undefined) return
    const text = isNumber(value) ? numberText(value) : typeof value === 'string' ? value : JSON.stringify(value)
    // What XML would read as a space is written so that it stays what it is.
    const encoded = encodeAttribute(text).replace(/[\t\n\r]/g, (char) => `&#${char.charCodeAt(0)};`)
    this.#out.push(' ', name, '="', encoded, '"')
  }

  #end(name: string): void {
    this.#depth--
    this.#line()
    this.#out.push('</', name, '>')
  }

  #line(): void {
    if (this.pretty && this.#out.length > 0) this.#out.push('\n', '  '.repeat(this.#depth))
  }
}

function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value]
}

function unknown(what: string): ConsentryError {
  return new ConsentryError('internal', `${what} is not of R4, so it cannot be written as XML.`)
}

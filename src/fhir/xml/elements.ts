import { type ElementType, structures } from '../definitions/structures.js'

/** How an XML element of a type becomes a property of JSON, https://hl7.org/fhir/R4/xml.html */
export interface XmlElement {
  /** Of the JSON property and of the XML element: the two are named alike, choices included. */
  readonly name: string
  /** A type of R4, `#path` for children inside the same definition, or `Resource`. */
  readonly type: string
  readonly many: boolean
  /** XML elements come in this order. */
  readonly order: number
}

/** XML shows these two as attributes instead. */
const ATTRIBUTES: Readonly<Record<string, string>> = { 'element-id': 'id', 'extension-url': 'url' }

const NUMERIC: ReadonlySet<string> = new Set(['decimal', 'integer', 'positiveInt', 'unsignedInt'])

const cache = new Map<string, ReadonlyMap<string, XmlElement>>()

/** The elements of a type or path by name; `undefined` for a type that R4 does not have. */
export function elementsOf(type: string): ReadonlyMap<string, XmlElement> | undefined {
  const known = cache.get(type)
  if (known) return known
  const row = structures().types[type.replace(/^#/, '')]
  if (row === undefined) return undefined
  const elements = new Map(
    row.elements.flatMap(([name, , max, types], order) =>
      types.filter((t) => !isAttribute(t)).map((t) => element(name, nameOf(t), max, order)),
    ),
  )
  cache.set(type, elements)
  return elements
}

function element(name: string, type: string, max: number, order: number): [string, XmlElement] {
  // A choice is named by the type, not by the profile on it.
  const base = type === 'SimpleQuantity' ? 'Quantity' : type
  const full = name.endsWith('[x]') ? name.slice(0, -3) + base.charAt(0).toUpperCase() + base.slice(1) : name
  return [full, { name: full, type, many: max !== 1, order }]
}

function isAttribute(type: ElementType): boolean {
  return typeof type === 'string' && type in ATTRIBUTES
}

function nameOf(type: ElementType): string {
  return typeof type === 'string' ? type : 'Reference'
}

export function isPrimitive(type: string): boolean {
  return /^[a-z]/.test(type) && type !== 'xhtml'
}

export function isNumeric(type: string): boolean {
  return NUMERIC.has(type)
}

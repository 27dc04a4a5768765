import { type ElementType, structures } from './structures.js'

/** An element as it stands in an instance: a choice is one for each of its types. */
export interface ElementOfType {
  /** Of the JSON property and of the XML element. */
  readonly name: string
  /** Name of the definition, `value[x]` for a choice. */
  readonly defined: string
  /** A type of R4, `#path` for children inside the same definition, or `Resource`. */
  readonly type: string
  readonly many: boolean
  /** Place among the elements of the definition. */
  readonly order: number
}

/** FHIRPath's system types, by which the definitions say what are attributes in XML. */
const ATTRIBUTES: ReadonlySet<string> = new Set(['element-id', 'extension-url'])
const NUMERIC: ReadonlySet<string> = new Set(['decimal', 'integer', 'positiveInt', 'unsignedInt'])

const cache = new Map<string, ReadonlyMap<string, ElementOfType>>()

/** The elements of a type or path by name; `undefined` for a type that R4 does not have. */
export function elementsOf(type: string): ReadonlyMap<string, ElementOfType> | undefined {
  const known = cache.get(type)
  if (known) return known
  const row = structures().types[type.replace(/^#/, '')]
  if (row === undefined) return undefined
  const elements = new Map(
    row.elements.flatMap(([name, , max, types], order) =>
      types.map((of) => {
        const made = element(name, nameOf(of), max, order)
        return [made.name, made] as const
      }),
    ),
  )
  cache.set(type, elements)
  return elements
}

function element(defined: string, type: string, max: number, order: number): ElementOfType {
  return { name: nameOfChoice(defined, type), defined, type, many: max !== 1, order }
}

/** `value[x]` of type Quantity is `valueQuantity`; by the type, not by the profile on it that SimpleQuantity is. */
export function nameOfChoice(defined: string, type: string): string {
  if (!defined.endsWith('[x]')) return defined
  const base = type === 'SimpleQuantity' ? 'Quantity' : type
  return defined.slice(0, -3) + base.charAt(0).toUpperCase() + base.slice(1)
}

function nameOf(type: ElementType): string {
  return typeof type === 'string' ? type : 'Reference'
}

/** What XML shows as an attribute: the id of an element, the url of an extension. */
export function isAttribute({ type }: ElementOfType): boolean {
  return ATTRIBUTES.has(type)
}

export function isPrimitive(type: string): boolean {
  return /^[a-z]/.test(type) && type !== 'xhtml'
}

export function isNumeric(type: string): boolean {
  return NUMERIC.has(type)
}

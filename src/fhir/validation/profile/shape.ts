import { type ElementRow, structures } from '../../definitions/structures.js'

/** A JSON property of a type of R4. */
export interface PropertyShape {
  /** `value[x]` for `valueQuantity`. */
  readonly element: string
  /** Name of the type, as in an ElementDefinition. */
  readonly type: string
  /** Where its children stand in the table of structures: a type or `Patient.contact`. */
  readonly below: string
}

const shapes = new Map<string, ReadonlyMap<string, PropertyShape>>()

/** The JSON properties of a type or of a path inside of one; empty for what R4 does not have. */
export function shapeOf(type: string): ReadonlyMap<string, PropertyShape> {
  let shape = shapes.get(type)
  if (shape === undefined) {
    const elements = structures().types[type]?.elements ?? []
    shape = new Map(elements.flatMap(propertiesOf))
    shapes.set(type, shape)
  }
  return shape
}

function propertiesOf([element, , , types]: ElementRow): [string, PropertyShape][] {
  return types.map((elementType) => {
    const name = typeof elementType === 'string' ? elementType : elementType[0]
    const type = name === 'SimpleQuantity' ? 'Quantity' : name
    const inside = type.startsWith('#')
    const shape = { element, type: inside ? 'BackboneElement' : type, below: inside ? type.slice(1) : type }
    const suffix = type.charAt(0).toUpperCase() + type.slice(1)
    return [element.endsWith('[x]') ? element.slice(0, -3) + suffix : element, shape]
  })
}

/** The choice that a property such as `valueQuantity` is one type of. */
export function choiceOf(type: string | undefined, property: string): PropertyShape | undefined {
  const shape = type === undefined ? undefined : shapeOf(type).get(property)
  return shape?.element.endsWith('[x]') === true ? shape : undefined
}

/** The type that holds the children of an element; undefined where it is open. */
export function typeBelow(
  type: string | undefined,
  name: string,
  types: readonly { readonly code: string }[],
): string | undefined {
  if (type === undefined) return undefined
  const [only, ...others] = types
  if (only !== undefined && others.length === 0 && only.code in structures().types) return only.code
  return shapeOf(type).get(name)?.below
}

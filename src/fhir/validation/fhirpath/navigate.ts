import { structures } from '../../definitions/structures.js'
import { type Environment, isMap, type Items, NOTHING, WITHOUT_VALUE } from './items.js'

/** How an element name is found among the properties of a JSON object. */
export type Navigate = (item: unknown, env: Environment) => Items

/**
 * Navigation to a named element. Names that are choices somewhere in R4 (`value` for `value[x]`) are also found
 * under the properties that carry the type, `valueQuantity`.
 */
export function navigateTo(name: string): Navigate {
  const typed = choices().get(name)
  const extension = `_${name}`
  return (item, env) => {
    if (!isMap(item)) return NOTHING
    env.spend(1)
    const value = item[name]
    if (value !== undefined) return Array.isArray(value) ? value : [value]
    if (item[extension] !== undefined) return withoutValue(item[extension])
    if (typed === undefined) return NOTHING
    for (const key in item) {
      if ((!key.startsWith(name) && !key.startsWith(extension)) || item[key] === undefined) continue
      if (typed.has(key)) return [item[key]]
      if (key.startsWith('_') && typed.has(key.slice(1)) && item[key.slice(1)] === undefined) return [WITHOUT_VALUE]
    }
    return NOTHING
  }
}

/** Like navigation, but of a primitive the object with its id and extensions; empty where there is none. */
export function elementsAt(item: unknown, name: string, env: Environment): Items {
  const values = navigateTo(name)(item, env)
  if (!isMap(item) || values.every((value) => isMap(value) && value !== WITHOUT_VALUE)) return values
  const property =
    name in item || `_${name}` in item ? name : [...(choices().get(name) ?? [])].find((key) => key in item)
  const beside = item[`_${property ?? name}`]
  return values.map((_, index) => (Array.isArray(beside) ? (beside as unknown[])[index] : beside) ?? WITHOUT_VALUE)
}

/** True if an element of that name is there; the common case of an invariant, without a collection. */
export function existsAt(name: string): (item: unknown) => boolean {
  const typed = choices().get(name)
  const extension = `_${name}`
  return (item) => {
    if (!isMap(item)) return false
    const value = item[name]
    if (value !== undefined) return !Array.isArray(value) || value.length > 0
    if (item[extension] !== undefined) return true
    if (typed === undefined) return false
    for (const key in item) {
      if (item[key] === undefined) continue
      if (key.startsWith(name) && typed.has(key)) return true
      if (key.startsWith(extension) && typed.has(key.slice(1))) return true
    }
    return false
  }
}

/** The value of a choice if it is of the type: `value` as Quantity from `valueQuantity`. */
export function navigateToTyped(name: string, type: string): Navigate {
  // FHIRPath's System.Boolean and FHIR's boolean are one thing in JSON
  const wanted = (name + type).toLowerCase()
  const property = [...(choices().get(name) ?? [])].find((key) => key.toLowerCase() === wanted)
  if (property === undefined) return () => NOTHING
  return (item) => {
    if (!isMap(item)) return NOTHING
    const value = item[property]
    if (value !== undefined) return [value]
    return item[`_${property}`] === undefined ? NOTHING : [WITHOUT_VALUE]
  }
}

export function isChoice(name: string): boolean {
  return choices().has(name)
}

/** All items one level down. */
export function children(item: unknown, env: Environment): Items {
  if (!isMap(item)) return NOTHING
  const found: unknown[] = []
  for (const key in item) {
    if (key === 'resourceType') continue
    const value = item[key]
    if (key.startsWith('_')) {
      if (item[key.slice(1)] === undefined) found.push(...withoutValue(value))
    } else if (Array.isArray(value)) found.push(...(value as unknown[]))
    else found.push(value)
  }
  env.spend(found.length + 1)
  return found
}

export function descendants(item: unknown, env: Environment): Items {
  const all: unknown[] = []
  const stack = [...children(item, env)]
  while (stack.length > 0) {
    const next = stack.pop()
    all.push(next)
    stack.push(...children(next, env))
  }
  return all
}

function withoutValue(extensions: unknown): Items {
  return Array.isArray(extensions) ? extensions.map(() => WITHOUT_VALUE) : [WITHOUT_VALUE]
}

let table: Map<string, Set<string>> | undefined

/** Names of choices and the properties that they have anywhere in R4. */
function choices(): Map<string, Set<string>> {
  if (table !== undefined) return table
  table = new Map()
  for (const type of Object.values(structures().types)) {
    for (const [name, , , types] of type.elements) {
      if (!name.endsWith('[x]')) continue
      const base = name.slice(0, -3)
      const properties = table.get(base) ?? new Set<string>()
      for (const elementType of types) {
        const code = typeof elementType === 'string' ? elementType : elementType[0]
        const suffix = code === 'SimpleQuantity' ? 'Quantity' : code
        properties.add(base + suffix.charAt(0).toUpperCase() + suffix.slice(1))
      }
      table.set(base, properties)
    }
  }
  return table
}

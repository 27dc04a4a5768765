import { elementsOf, type ElementOfType } from '../definitions/elements.js'
import type { JsonObject, JsonValue } from '../json.js'
import type { Location } from './locate.js'

/** A value and what a primitive has beside it: its id and extensions (https://hl7.org/fhir/R4/json.html#primitive). */
export interface Whole {
  readonly value: JsonValue | null
  readonly beside: JsonValue | null
}

/** The object in which a location's last element stands, its property, and its index in a list. */
export interface Place {
  readonly parent: JsonObject
  readonly name: string
  readonly index: number | null
}

export function placeOf(resource: JsonObject, location: Location): Place {
  const last = location.at(-1)
  const index = typeof last === 'number' ? last : null
  const path = index === null ? location : location.slice(0, -1)
  const parent = path
    .slice(0, -1)
    .reduce<JsonValue>((value, key) => (value as JsonObject)[key as string] as JsonValue, resource)
  return { parent: parent as JsonObject, name: path.at(-1) as string, index }
}

/** The type of the element at a location, or undefined where R4 has none. */
export function typeAt(resource: JsonObject, location: Location): string | undefined {
  let type = resource['resourceType'] as string
  let value: JsonValue = resource
  for (const key of location) {
    value = (value as JsonObject)[key as string] as JsonValue
    if (typeof key === 'number') continue
    const element = elementsOf(type)?.get(key)
    if (element === undefined) return undefined
    type = element.type === 'Resource' ? ((value as JsonObject | undefined)?.['resourceType'] as string) : element.type
  }
  return type
}

/** The element of `type` that a patch calls `name`: a choice by its name without the type, too. */
export function elementNamed(type: string, name: string, of: string | null): ElementOfType | undefined {
  const elements = elementsOf(type)
  const exact = elements?.get(name)
  if (exact !== undefined || elements === undefined) return exact
  return [...elements.values()].find(
    (each) => each.defined === `${name}[x]` && (of === null || sameType(each.type, of)),
  )
}

function sameType(defined: string, given: string): boolean {
  return defined === given || (defined === 'SimpleQuantity' && given === 'Quantity')
}

export function wholeAt({ parent, name, index }: Place): Whole {
  const [value, beside] = [parent[name], parent[`_${name}`]]
  const at = (list: JsonValue | undefined): JsonValue | null =>
    index === null ? (list ?? null) : ((Array.isArray(list) ? list[index] : null) ?? null)
  return { value: at(value), beside: at(beside) }
}

export function put({ parent, name, index }: Place, { value, beside }: Whole): void {
  if (index === null) {
    set(parent, name, value)
    set(parent, `_${name}`, beside)
  } else {
    edit(parent, name, (values, besides) => {
      values[index] = value
      besides[index] = beside
    })
  }
}

export function remove({ parent, name, index }: Place): void {
  if (index === null) {
    delete parent[name]
    delete parent[`_${name}`]
  } else {
    edit(parent, name, (values, besides) => {
      values.splice(index, 1)
      besides.splice(index, 1)
    })
  }
}

export function insert({ parent, name, index }: Place, { value, beside }: Whole): void {
  edit(parent, name, (values, besides) => {
    values.splice(index ?? values.length, 0, value)
    besides.splice(index ?? besides.length, 0, beside)
  })
}

export function lengthOf(parent: JsonObject, name: string): number {
  const length = (list: JsonValue | undefined): number => (Array.isArray(list) ? list.length : 0)
  return Math.max(length(parent[name]), length(parent[`_${name}`]))
}

/** Both lists of a primitive in step; what says nothing afterwards is left out. */
function edit(
  parent: JsonObject,
  name: string,
  change: (values: (JsonValue | null)[], besides: (JsonValue | null)[]) => void,
): void {
  const size = lengthOf(parent, name)
  const list = (key: string): (JsonValue | null)[] =>
    Array.from({ length: size }, (_, i) => (parent[key] as JsonValue[] | undefined)?.[i] ?? null)
  const [values, besides] = [list(name), list(`_${name}`)]
  change(values, besides)
  set(parent, name, values.every((value) => value === null) ? null : values)
  set(parent, `_${name}`, besides.every((beside) => beside === null) ? null : besides)
}

function set(parent: JsonObject, name: string, value: JsonValue | null): void {
  if (value === null) delete parent[name]
  else parent[name] = value
}

import { ConsentryError, type IssueCode } from '../../errors.js'
import { ExactNumber, type JsonObject, type JsonValue } from '../json.js'
import { PATCH_LIMITS } from './json-patch.js'
import { locate, type Location } from './locate.js'
import { elementNamed, insert, lengthOf, placeOf, put, remove, typeAt, type Whole, wholeAt } from './place.js'

/**
 * Applies a FHIRPath Patch (https://hl7.org/fhir/R4/fhirpatch.html) to a copy of the resource; all operations or none.
 *
 * @throws ConsentryError `malformed` for Parameters that are no patch, `invalid` when an operation cannot be carried out
 */
export function applyFhirPathPatch(resource: JsonObject, parameters: JsonObject): JsonObject {
  if (parameters['resourceType'] !== 'Parameters') {
    throw fault('malformed', 'A FHIRPath Patch is a Parameters resource.', 'Parameters')
  }
  const operations = (parameters['parameter'] ?? []) as JsonObject[]
  if (operations.length > PATCH_LIMITS.maxOperations) {
    throw fault(
      'too-large',
      `A patch has at most ${PATCH_LIMITS.maxOperations} operations here.`,
      'Parameters.parameter',
    )
  }
  requireBounded(resource, operations)
  const patched = copy(resource) as JsonObject
  operations.forEach((operation, i) => apply(patched, operation, `Parameters.parameter[${i}]`))
  return patched
}

/** Each operation reads its path and looks through the resource: what all of them take together is bounded. */
const MAX_PATHS = 50_000
const MAX_LOOKED_AT = 50_000

function requireBounded(resource: JsonObject, operations: readonly JsonObject[]): void {
  const paths = operations.reduce((sum, operation) => {
    const path = partsOf(operation).get('path')?.['valueString']
    return sum + (typeof path === 'string' ? path.length : 0)
  }, 0)
  if (paths <= MAX_PATHS && operations.length * valuesIn(resource) <= MAX_LOOKED_AT) return
  throw fault(
    'too-large',
    'The patch asks for too much at once on a resource of this size; send fewer operations, or a JSON Patch.',
    'Parameters.parameter',
    'too-costly',
  )
}

function valuesIn(value: JsonValue): number {
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + valuesIn(item), 1)
  return isObject(value) ? Object.values(value).reduce<number>((sum, item) => sum + valuesIn(item), 1) : 1
}

function apply(resource: JsonObject, operation: JsonObject, at: string): void {
  if (operation['name'] !== 'operation') throw fault('malformed', 'Each parameter is named operation.', `${at}.name`)
  const parts = partsOf(operation)
  const type = textOf(parts, 'type', at)
  const path = textOf(parts, 'path', at)
  const found = locate(resource, path, `${at}.part:path`)
  switch (type) {
    case 'add':
      return add(resource, one(found, at), textOf(parts, 'name', at), valuePart(parts, at), at)
    case 'insert':
      return insertAt(resource, found, path, indexOf(parts, 'index', at), valuePart(parts, at), at)
    case 'replace':
      return replace(resource, one(found, at), valuePart(parts, at), at)
    case 'delete':
      // "the operation is idempotent": nothing there is nothing to do
      if (found.length > 0) removeAll(resource, element(one(found, at), at))
      return
    case 'move':
      return move(resource, found, indexOf(parts, 'source', at), indexOf(parts, 'destination', at), at)
    default:
      throw fault('malformed', 'The type is add, insert, delete, replace or move.', `${at}.part:type`, 'value')
  }
}

function add(resource: JsonObject, to: Location, name: string, part: JsonObject, at: string): void {
  const parent = valueAt(resource, to)
  const type = typeAt(resource, to)
  const element = type === undefined ? undefined : elementNamed(type, name, typeOf(part))
  if (element === undefined || !isObject(parent)) {
    throw fault('invalid', 'The element at this path has no element of this name and type.', `${at}.part:name`)
  }
  const whole = wholeOf(part, element.type, `${at}.part:value`)
  if (element.many) return insert({ parent, name: element.name, index: null }, whole)
  if (parent[element.name] !== undefined) {
    throw fault(
      'invalid',
      'The element is there already and does not repeat: replace it.',
      `${at}.part:name`,
      'duplicate',
    )
  }
  put({ parent, name: element.name, index: null }, whole)
}

/** What is empty afterwards goes too: FHIR has no empty elements. */
function removeAll(resource: JsonObject, location: Location): void {
  remove(placeOf(resource, location))
  const index = typeof location.at(-1) === 'number'
  const above = location.slice(0, index ? -2 : -1)
  const parent = valueAt(resource, above)
  if (above.length > 0 && isObject(parent) && Object.keys(parent).length === 0) removeAll(resource, above)
}

function replace(resource: JsonObject, location: Location, part: JsonObject, at: string): void {
  const place = placeOf(resource, element(location, at))
  const type = typeAt(resource, location)
  const given = typeOf(part)
  const choice = choiceOf(resource, location, given)
  const whole = wholeOf(part, choice?.type ?? type ?? '', `${at}.part:value`)
  if (choice === undefined || choice.name === place.name) return put(place, whole)
  remove(place)
  put({ ...place, name: choice.name }, whole)
}

/** Where the value given is of another type of the same choice. */
function choiceOf(resource: JsonObject, location: Location, given: string | null) {
  const name = location.at(-1)
  const parentType = typeAt(resource, location.slice(0, -1))
  if (typeof name !== 'string' || parentType === undefined || given === null) return undefined
  const present = elementNamed(parentType, name, null)
  if (present === undefined || !present.defined.endsWith('[x]')) return undefined
  return elementNamed(parentType, present.defined.slice(0, -3), given)
}

function insertAt(
  resource: JsonObject,
  found: readonly Location[],
  path: string,
  index: number,
  part: JsonObject,
  at: string,
): void {
  const { parent, name, location } = listOf(resource, found, at)
  if (index > lengthOf(parent, name)) {
    throw fault('invalid', `There is no place ${index} in the list at ${nameOnly(path)}.`, `${at}.part:index`, 'value')
  }
  insert({ parent, name, index }, wholeOf(part, typeAt(resource, location) ?? '', `${at}.part:value`))
}

function move(resource: JsonObject, found: readonly Location[], from: number, to: number, at: string): void {
  const { parent, name } = listOf(resource, found, at)
  const length = lengthOf(parent, name)
  if (from >= length || to >= length) {
    throw fault('invalid', `The list has ${length} elements; source and destination count from 0.`, at, 'value')
  }
  const whole = wholeAt({ parent, name, index: from })
  remove({ parent, name, index: from })
  insert({ parent, name, index: to }, whole)
}

/** The one list whose elements were found. */
function listOf(resource: JsonObject, found: readonly Location[], at: string) {
  const lists = new Map(found.map((location) => [JSON.stringify(location.slice(0, -1)), location]))
  const [location] = lists.values()
  if (lists.size !== 1 || location === undefined || typeof location.at(-1) !== 'number') {
    throw fault('invalid', 'The path must select the elements of one list.', `${at}.part:path`)
  }
  return { ...placeOf(resource, location), location }
}

function one(found: readonly Location[], at: string): Location {
  const [location, second] = found
  if (location !== undefined && second === undefined) return location
  const many = 'The path selects several elements; it must select one.'
  throw location === undefined
    ? fault('invalid', 'The path selects nothing in this resource.', `${at}.part:path`, 'not-found')
    : fault('invalid', many, `${at}.part:path`, 'multiple-matches')
}

function element(location: Location, at: string): Location {
  if (location.length > 0) return location
  throw fault('invalid', 'The resource itself cannot be replaced or deleted by a patch.', `${at}.part:path`)
}

function valueAt(resource: JsonObject, location: Location): JsonValue {
  return location.reduce<JsonValue>((value, key) => (value as JsonObject)[key as string] as JsonValue, resource)
}

function partsOf(parameter: JsonObject): ReadonlyMap<string, JsonObject> {
  const parts = (parameter['part'] ?? []) as JsonObject[]
  return new Map(parts.map((part) => [part['name'] as string, part]))
}

function textOf(parts: ReadonlyMap<string, JsonObject>, name: string, at: string): string {
  const part = parts.get(name)
  const value = part?.['valueString'] ?? part?.['valueCode']
  if (typeof value === 'string') return value
  throw fault(
    'malformed',
    `The operation needs a part ${name} with a valueString or valueCode.`,
    `${at}.part:${name}`,
    'required',
  )
}

function indexOf(parts: ReadonlyMap<string, JsonObject>, name: string, at: string): number {
  const value = parts.get(name)?.['valueInteger']
  if (typeof value === 'number' && value >= 0) return value
  throw fault(
    'malformed',
    `The operation needs a part ${name} with a valueInteger from 0.`,
    `${at}.part:${name}`,
    'required',
  )
}

function valuePart(parts: ReadonlyMap<string, JsonObject>, at: string): JsonObject {
  const part = parts.get('value')
  if (part !== undefined) return part
  throw fault('malformed', 'The operation needs a part value.', `${at}.part:value`, 'required')
}

/** `Quantity` of `valueQuantity`; `null` where the value is given in parts or is a resource. */
function typeOf(part: JsonObject): string | null {
  const name = Object.keys(part).find((key) => /^_?value[A-Z]/.test(key))
  if (name === undefined) return null
  const type = name.replace(/^_?value/, '')
  return elementNamed('Parameters.parameter', `value${type}`, null)?.type ?? type
}

/** The value of a part: `value[x]`, a resource, or for a type without name the parts that are its elements. */
function wholeOf(part: JsonObject, type: string, at: string): Whole {
  const name = Object.keys(part).find((key) => /^value[A-Z]/.test(key))
  const beside = Object.keys(part).find((key) => /^_value[A-Z]/.test(key))
  if (name !== undefined || beside !== undefined) {
    return {
      value: name === undefined ? null : copy(part[name] as JsonValue),
      beside: beside === undefined ? null : copy(part[beside] as JsonValue),
    }
  }
  if (part['resource'] !== undefined) return { value: copy(part['resource']), beside: null }
  const parts = part['part']
  if (!Array.isArray(parts) || parts.length === 0) throw fault('malformed', 'The value is empty.', at, 'required')
  const made: JsonObject = {}
  for (const each of parts as JsonObject[]) {
    const element = elementNamed(type, each['name'] as string, typeOf(each))
    if (element === undefined) throw fault('invalid', 'The value has a part that is no element there.', at)
    const whole = wholeOf(each, element.type, at)
    if (element.many) insert({ parent: made, name: element.name, index: null }, whole)
    else put({ parent: made, name: element.name, index: null }, whole)
  }
  return { value: made, beside: null }
}

function copy(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(copy)
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, copy(item)]))
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof ExactNumber)
}

/** A path may hold a value in a condition, which a message must not repeat. */
function nameOnly(path: string): string {
  return /^[A-Za-z.]+$/.exec(path)?.[0] ?? 'the path'
}

function fault(
  kind: 'malformed' | 'invalid' | 'too-large',
  text: string,
  expression: string,
  code?: IssueCode,
): ConsentryError {
  return new ConsentryError(kind, text, { ...(code === undefined ? {} : { code }), expression: [expression] })
}

import { ConsentryError, type IssueCode } from '../../errors.js'
import { ExactNumber, isNumber, type JsonObject, type JsonValue, numberText } from '../json.js'
import { decimalRange } from '../search/decimal.js'

/** What a patch may ask for; a `copy` of a copy doubles the document, so the work is bounded, not only the list. */
export const PATCH_LIMITS = { maxOperations: 1000, maxValues: 1_000_000 }

/**
 * Applies a JSON Patch (RFC 6902) to a copy of the document; all operations or none. Our own and not a library's,
 * because those copy values through JSON.parse or by property and so lose the digits of an `ExactNumber`.
 *
 * @throws ConsentryError `malformed` for what is no patch, `invalid` when an operation cannot be carried out or a test
 * fails; `expression` names the operation. Messages quote paths' positions only, never values.
 */
export function applyJsonPatch(document: JsonObject, patch: JsonValue): JsonValue {
  if (!Array.isArray(patch)) throw fault('malformed', 'A JSON Patch is an array of operations (RFC 6902).', 'Patch')
  if (patch.length > PATCH_LIMITS.maxOperations) {
    throw fault('too-large', `A patch has at most ${PATCH_LIMITS.maxOperations} operations here.`, 'Patch')
  }
  const patched = new Patched(document)
  patch.forEach((operation, index) => patched.apply(operation, `Patch[${index}]`))
  return patched.root
}

type Container = JsonValue[] | JsonObject

class Patched {
  root: JsonValue
  #budget = PATCH_LIMITS.maxValues

  constructor(document: JsonObject) {
    this.root = this.#copy(document, 'Patch')
  }

  apply(operation: JsonValue, at: string): void {
    if (!isObject(operation)) throw fault('malformed', 'An operation is an object.', at)
    const { op } = operation
    const path = pointer(operation, 'path', at)
    switch (op) {
      case 'add':
        return this.#add(path, this.#copy(valueOf(operation, at), at), at)
      case 'remove':
        return void this.#remove(path, at)
      case 'replace':
        return this.#replace(path, this.#copy(valueOf(operation, at), at), at)
      case 'move': {
        const from = pointer(operation, 'from', at)
        if (from.length < path.length && from.every((part, i) => part === path[i])) {
          throw fault('invalid', 'A value cannot be moved into itself.', `${at}.from`)
        }
        return this.#add(path, this.#remove(from, at), at)
      }
      case 'copy':
        return this.#add(path, this.#copy(this.#get(pointer(operation, 'from', at), `${at}.from`), at), at)
      case 'test':
        if (equal(this.#get(path, `${at}.path`), valueOf(operation, at))) return
        throw fault('invalid', 'The test failed: another value is there.', at, 'conflict')
      default:
        throw fault('malformed', 'op must be add, remove, replace, move, copy or test.', `${at}.op`, 'value')
    }
  }

  #get(path: readonly string[], at: string): JsonValue {
    let value: JsonValue = this.root
    for (const part of path) value = child(value, part, at)
    return value
  }

  #parent(path: readonly string[], at: string): { parent: Container; last: string } {
    const parent = this.#get(path.slice(0, -1), at)
    if (!Array.isArray(parent) && !isObject(parent)) throw nothingThere(at)
    return { parent, last: path.at(-1) as string }
  }

  #add(path: readonly string[], value: JsonValue, at: string): void {
    if (path.length === 0) return void (this.root = value)
    const { parent, last } = this.#parent(path, `${at}.path`)
    if (!Array.isArray(parent)) parent[name(last, at)] = value
    else parent.splice(last === '-' ? parent.length : index(last, parent.length, `${at}.path`), 0, value)
  }

  #remove(path: readonly string[], at: string): JsonValue {
    const value = this.#get(path, `${at}.path`)
    if (path.length === 0) throw fault('invalid', 'The whole document cannot be removed.', `${at}.path`)
    const { parent, last } = this.#parent(path, `${at}.path`)
    if (Array.isArray(parent)) parent.splice(Number(last), 1)
    else delete parent[last]
    return value
  }

  #replace(path: readonly string[], value: JsonValue, at: string): void {
    this.#get(path, `${at}.path`)
    if (path.length === 0) return void (this.root = value)
    const { parent, last } = this.#parent(path, `${at}.path`)
    if (Array.isArray(parent)) parent[Number(last)] = value
    else parent[last] = value
  }

  #copy(value: JsonValue, at: string): JsonValue {
    if (--this.#budget < 0) {
      throw fault('too-large', `A patched document has at most ${PATCH_LIMITS.maxValues} values.`, at, 'too-costly')
    }
    if (Array.isArray(value)) return value.map((item) => this.#copy(item, at))
    if (!isObject(value)) return value
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, this.#copy(item, at)]))
  }
}

/** RFC 6901 */
function pointer(operation: JsonObject, member: 'path' | 'from', at: string): string[] {
  const text = operation[member]
  if (typeof text !== 'string' || !/^(?:\/(?:[^~/]|~[01])*)*$/s.test(text)) {
    throw fault('malformed', `${member} must be a JSON Pointer (RFC 6901), such as /name/0/family.`, `${at}.${member}`)
  }
  return text
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function valueOf(operation: JsonObject, at: string): JsonValue {
  const value = operation['value']
  if (value === undefined) throw fault('malformed', 'The operation needs a value.', `${at}.value`, 'required')
  return value
}

function child(value: JsonValue, part: string, at: string): JsonValue {
  if (Array.isArray(value)) return value[index(part, value.length - 1, at)] as JsonValue
  if (isObject(value) && Object.hasOwn(value, part)) return value[part] as JsonValue
  throw nothingThere(at)
}

function index(part: string, most: number, at: string): number {
  if (!/^(?:0|[1-9]\d{0,8})$/.test(part)) {
    throw fault('invalid', 'A place in a list is a number without leading zeros, or - to add at its end.', at)
  }
  if (Number(part) > most) throw nothingThere(at)
  return Number(part)
}

/** Assigned to a plain object, this name would be no property. */
function name(part: string, at: string): string {
  if (part === '__proto__') throw fault('invalid', 'A property cannot have this name.', `${at}.path`)
  return part
}

/** RFC 6902 section 4.6: numbers by value, objects whatever the order of their members. */
function equal(a: JsonValue, b: JsonValue): boolean {
  if (isNumber(a) || isNumber(b)) return isNumber(a) && isNumber(b) && sameNumber(numberText(a), numberText(b))
  if (Array.isArray(a) || Array.isArray(b)) {
    return (
      Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((x, i) => equal(x, b[i] as JsonValue))
    )
  }
  if (!isObject(a) || !isObject(b)) return a === b
  const keys = Object.keys(a)
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && equal(a[key] as JsonValue, b[key] as JsonValue))
  )
}

function sameNumber(a: string, b: string): boolean {
  return a === b || (decimalRange(a)?.value ?? a) === (decimalRange(b)?.value ?? b)
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof ExactNumber)
}

function nothingThere(at: string): ConsentryError {
  return fault('invalid', 'There is nothing at this place.', at, 'not-found')
}

function fault(
  kind: 'malformed' | 'invalid' | 'too-large',
  text: string,
  expression: string,
  code?: IssueCode,
): ConsentryError {
  return new ConsentryError(kind, text, { ...(code === undefined ? {} : { code }), expression: [expression] })
}

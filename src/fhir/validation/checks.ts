import { parseReference } from '../references.js'
import type { Binding } from './bindings.js'
import { narrativeFault } from './narrative.js'
import { FORMATS } from './primitives.js'
import { applyRules, type Rule } from './rules.js'
import type { Walk } from './walk.js'

type JsonMap = Readonly<Record<string, unknown>>

/** Checks one JSON value at the place where the walk stands; `parent` is the object that holds it. */
export type Check = (value: unknown, walk: Walk, parent: JsonMap) => void

const isMap = (value: unknown): value is JsonMap => typeof value === 'object' && value !== null && !Array.isArray(value)

/** An element that occurs at most once. */
export function single(check: Check): Check {
  return (value, walk, parent) => {
    if (Array.isArray(value)) walk.error('structure', 'must not be an array: the element occurs at most once.')
    else if (value === null) walk.error('structure', 'null is not allowed; leave the element out.')
    else check(value, walk, parent)
  }
}

/** An element that may repeat: an array with at least one item. */
export function repeated(check: Check): Check {
  return (value, walk, parent) => {
    if (!isFilledArray(value, walk)) return
    for (let index = 0; index < value.length; index++) {
      walk.enter(index)
      if (value[index] === null) walk.error('structure', 'null is not allowed in this array.')
      else check(value[index], walk, parent)
      walk.leave()
    }
  }
}

function isFilledArray(value: unknown, walk: Walk): value is readonly unknown[] {
  if (!Array.isArray(value)) {
    walk.error('structure', 'must be an array: the element may repeat.')
    return false
  }
  if (value.length === 0) walk.error('structure', 'must not be an empty array; leave the element out.')
  return value.length > 0
}

/** A primitive value: its format, its required binding, its invariants. */
export function primitive(type: string, binding: Binding | undefined, rules: readonly Rule[]): Check {
  if (type === 'xhtml') return xhtml
  const format = FORMATS[type]
  if (format === undefined) throw new RangeError(`There is no primitive type ${type}.`)
  if (type === 'extension-url') return extensionUrl
  const mentions = type === 'uri' || type === 'url' || type === 'canonical'
  return (value, walk) => {
    const expected = format(value)
    if (expected !== undefined) {
      walk.error('value', `must be ${expected}.`)
      return
    }
    binding?.checkCode(value as string, walk)
    if (type === 'string' && walk.refusesMarkup && MARKUP.test(value as string)) {
      walk.error('security', 'must not hold what looks like markup.')
    }
    if (mentions && (value as string).charCodeAt(0) === 0x23) walk.frame?.mentions.add((value as string).slice(1))
    if (rules.length > 0) applyRules(rules, value, walk)
  }
}

/** A tag, or what a browser takes for one. */
const MARKUP = /<[/!?A-Za-z]/

const LOCAL_LINK = /\s(?:href|src)\s*=\s*["']#([^"']*)["']/g

const xhtml: Check = (value, walk) => {
  if (typeof value === 'string' && value.includes('#')) {
    for (const [, id = ''] of value.matchAll(LOCAL_LINK)) walk.frame?.mentions.add(id)
  }
  const fault = typeof value === 'string' ? narrativeFault(value) : 'must be XHTML in a JSON string.'
  if (fault !== undefined) walk.error('invalid', `the narrative ${fault}`)
}

/** The url of an extension is absolute; inside of a complex extension it may be relative to that one's definition. */
const extensionUrl: Check = (value, walk) => {
  const expected = FORMATS['extension-url']?.(value)
  if (expected !== undefined) walk.error('value', `must be ${expected}.`)
  else if (!(value as string).includes(':') && !walk.inNestedExtension()) {
    walk.error(
      'extension',
      'the url of an extension must be absolute; only parts of an extension may have a relative one.',
    )
  }
}

/** A repeating primitive, where null holds the place of an item that has only extensions. */
export function repeatedPrimitive(check: Check, name: string): Check {
  const extensions = `_${name}`
  return (value, walk, parent) => {
    if (!isFilledArray(value, walk)) return
    const beside = parent[extensions]
    for (let index = 0; index < value.length; index++) {
      walk.enter(index)
      if (value[index] !== null) check(value[index], walk, parent)
      else if (!Array.isArray(beside) || !isMap(beside[index])) {
        walk.error('structure', `null is only allowed where ${extensions} has an extension at the same index.`)
      }
      walk.leave()
    }
  }
}

/** `_name` of a primitive that occurs once: without a value it needs an extension. */
export function besideValue(element: Check, name: string): Check {
  return (value, walk, parent) => {
    element(value, walk, parent)
    if (parent[name] === undefined) needsExtension(value, walk)
  }
}

function needsExtension(element: unknown, walk: Walk): void {
  if (isMap(element) && element['id'] !== undefined && element['extension'] === undefined)
    walk.error('structure', 'must have a value or an extension besides an id (ele-1).')
}

/** `_name` of a primitive that repeats: as long as the array of values, null where there is nothing to say. */
export function repeatedExtensions(element: Check, name: string): Check {
  return (value, walk, parent) => {
    if (!isFilledArray(value, walk)) return
    const values = parent[name]
    if (Array.isArray(values) && values.length !== value.length) {
      walk.error('structure', `must have as many items as ${name}, with null where one of both has nothing.`)
    }
    for (let index = 0; index < value.length; index++) {
      walk.enter(index)
      if (value[index] !== null) {
        element(value[index], walk, parent)
        if (!Array.isArray(values) || values[index] === null) needsExtension(value[index], walk)
      } else if (!Array.isArray(values) || values[index] === null) {
        walk.error('structure', `null is only allowed where ${name} has a value at the same index.`)
      }
      walk.leave()
    }
  }
}

/** `_name` of a primitive with a required binding: an extension cannot stand in for the code. */
export function extensionOfBound(element: Check, name: string): Check {
  return (value, walk, parent) => {
    if (parent[name] === undefined) walk.error('required', 'a code is required: an extension alone is in no value set.')
    element(value, walk, parent)
  }
}

/** Adds a required binding and invariants of the place to the check of a complex type. */
export function constrained(check: Check, type: string, binding: Binding | undefined, rules: readonly Rule[]): Check {
  if (binding === undefined && rules.length === 0) return check
  return (value, walk, parent) => {
    check(value, walk, parent)
    if (type === 'CodeableConcept') binding?.checkConcept(value, walk)
    else binding?.checkCoding(value, walk)
    if (rules.length > 0) applyRules(rules, value, walk)
  }
}

/**
 * A Reference: its structure, and its target's type where the reference names one. References to contained
 * resources are kept for the end of the resource.
 */
export function referenceTo(targets: readonly string[], structure: Check): Check {
  const allowed = targets.length === 0 ? null : new Set(targets)
  const expected = `one of ${targets.join(', ')}`
  return (value, walk, parent) => {
    structure(value, walk, parent)
    if (!isMap(value)) return
    const { reference, type } = value
    if (typeof type === 'string' && allowed !== null && /^[A-Z][A-Za-z]+$/.test(type) && !allowed.has(type)) {
      walk.error('structure', `the type of the reference must be ${expected}.`)
    }
    if (typeof reference !== 'string') return
    const target = parseReference(reference)
    if (target.kind === 'contained') {
      walk.frame?.mentions.add(target.id)
      walk.frame?.localReferences.push({ id: target.id, targets: allowed, expression: walk.expression() })
    } else if (target.kind === 'malformed') {
      walk.error('value', 'a relative reference must be [type]/[id] with a type of R4, optionally /_history/[version].')
    } else if ('type' in target) {
      if (allowed !== null && !allowed.has(target.type))
        walk.error('structure', `must refer to ${expected}, not to ${target.type}.`)
      else if (typeof type === 'string' && type !== target.type && /^[A-Z][A-Za-z]+$/.test(type)) {
        walk.error('structure', `type must agree with the reference, which is to ${target.type}.`)
      }
    }
  }
}

import { type ElementType, isResourceType, structures } from './definitions/structures.js'
import type { Reference, Resource } from './types.js'
import { decodeEntities, encodeAttribute } from './xml-text.js'

/** What the text of `Reference.reference` says, https://hl7.org/fhir/R4/references.html#literal. */
export type ParsedReference =
  | { readonly kind: 'relative'; readonly type: string; readonly id: string; readonly version?: string }
  /** RESTful URL of a server: `base` without a slash at its end. */
  | {
      readonly kind: 'absolute'
      readonly base: string
      readonly type: string
      readonly id: string
      readonly version?: string
    }
  /** `urn:uuid:…` or `urn:oid:…`: another entry of the same Bundle. */
  | { readonly kind: 'urn'; readonly urn: string }
  /** `#id`, or `#` with the empty id for the containing resource. */
  | { readonly kind: 'contained'; readonly id: string }
  /** `Patient?identifier=…` in a transaction, https://hl7.org/fhir/R4/http.html#trules. */
  | { readonly kind: 'conditional'; readonly type: string; readonly query: string }
  /** Any other absolute URL, of which nothing is known. */
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'malformed' }

const RESTFUL =
  /^(?:(https?:\/\/.+)\/)?([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/([A-Za-z0-9\-.]{1,64}))?$/
const CONDITIONAL = /^([A-Z][A-Za-z]+)\?(.+)$/s
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*:/

export function parseReference(text: string): ParsedReference {
  if (text.startsWith('#')) return { kind: 'contained', id: text.slice(1) }
  if (text.startsWith('urn:')) return { kind: 'urn', urn: text }
  const restful = RESTFUL.exec(text)
  if (restful !== null) {
    const [, base, type = '', id = '', version] = restful
    if (isResourceType(type)) {
      const target = version === undefined ? { type, id } : { type, id, version }
      return base === undefined ? { kind: 'relative', ...target } : { kind: 'absolute', base, ...target }
    }
  }
  const conditional = CONDITIONAL.exec(text)
  if (conditional !== null && isResourceType(conditional[1] ?? '')) {
    return { kind: 'conditional', type: conditional[1] ?? '', query: conditional[2] ?? '' }
  }
  return SCHEME.test(text) ? { kind: 'url', url: text } : { kind: 'malformed' }
}

/** The relative form of a reference that is written as a URL below `base` (without slash at its end); undefined for any other. */
export function localReference(text: string, base: string): string | undefined {
  const parsed = parseReference(text)
  return parsed.kind === 'absolute' && parsed.base === base ? text.slice(base.length + 1) : undefined
}

/**
 * The resource with every reference to this server in its relative form, so that index, compartments and searches have one form
 * to know. What has none is the argument itself.
 */
export function withLocalReferences<T extends Resource>(resource: T, base: string): T {
  return rewriteReferences(resource, (text, kind) => (kind === 'reference' ? localReference(text, base) : undefined))
}

/** One Reference in a resource, with its place (`participant[0].individual`) below the resource. */
export interface ReferencePlace {
  readonly path: string
  readonly reference: Reference
}

/** All values of type Reference in a resource, contained resources and Bundle entries included. */
export function referencesOf(resource: Resource): ReferencePlace[] {
  const found: ReferencePlace[] = []
  visit(resource, resource.resourceType, '', (reference, path) => found.push({ path, reference }))
  return found
}

/**
 * Replaces what refers to other resources: the text of every Reference, and every uri, url, oid and uuid, as
 * https://hl7.org/fhir/R4/http.html#trules demands of a transaction, links and images of the narrative
 * included. `replace` gets each such text and answers the new one, or undefined to keep it.
 *
 * Nothing is changed in place: what does not change is shared with the argument, which is itself the answer
 * where nothing changed. The answer is a `Resource` to validate anew if anything did.
 */
export function rewriteReferences<T extends Resource>(resource: T, replace: Replace): T {
  return rewrite(resource, resource.resourceType, replace) as T
}

export type Replace = (text: string, kind: 'reference' | 'uri' | 'link') => string | undefined

/** What to do at a property: follow it into a type, or read its text. */
type Step = { readonly into: string } | { readonly text: 'uri' | 'narrative' }
type Plan = ReadonlyMap<string, Step>

const URI_TYPES = new Set(['uri', 'url', 'oid', 'uuid'])
const plans = new Map<string, Plan>()

/** The properties of a type behind which a reference can stand. Recursive types end because plans are made on use. */
function planOf(type: string): Plan {
  const known = plans.get(type)
  if (known !== undefined) return known
  const plan = new Map<string, Step>()
  for (const [name, , , types] of structures().types[type]?.elements ?? []) {
    const choice = name.endsWith('[x]')
    for (const elementType of types) {
      const code = codeOf(elementType)
      const step = stepFor(code)
      const suffix = code === 'SimpleQuantity' ? 'Quantity' : code.charAt(0).toUpperCase() + code.slice(1)
      const property = choice ? name.slice(0, -3) + suffix : name
      if (step !== undefined) plan.set(property, step)
      // extensions of a primitive stand in the property with an underscore
      if (step === undefined || 'text' in step) plan.set(`_${property}`, { into: 'Element' })
    }
  }
  plans.set(type, plan)
  return plan
}

const codeOf = (type: ElementType): string => (typeof type === 'string' ? type : type[0])

function stepFor(code: string): Step | undefined {
  if (code.startsWith('#')) return { into: code.slice(1) }
  if (URI_TYPES.has(code)) return { text: 'uri' }
  if (code === 'xhtml') return { text: 'narrative' }
  return structures().types[code] === undefined ? undefined : { into: code }
}

type JsonMap = Record<string, unknown>
const isMap = (value: unknown): value is JsonMap => typeof value === 'object' && value !== null && !Array.isArray(value)

/** `Resource` stands for whatever the value says it is. */
const actualType = (value: JsonMap, type: string): string =>
  type === 'Resource' && typeof value['resourceType'] === 'string' ? value['resourceType'] : type

// Keys by `Object.keys`: V8 compiled `for (key in value) … value[key]` for one key, threw it away at another, and did so for ever.

function visit(value: unknown, type: string, path: string, found: (reference: Reference, path: string) => void): void {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) visit(item, type, `${path}[${index}]`, found)
    return
  }
  if (!isMap(value)) return
  if (type === 'Reference') found(value, path)
  const plan = planOf(actualType(value, type))
  for (const key of Object.keys(value)) {
    const step = plan.get(key)
    if (step !== undefined && 'into' in step) visit(value[key], step.into, path === '' ? key : `${path}.${key}`, found)
  }
}

function rewrite(value: unknown, type: string, replace: Replace): unknown {
  if (Array.isArray(value)) {
    let copy: unknown[] | undefined
    for (const [index, item] of value.entries()) {
      const changed = rewrite(item, type, replace)
      if (changed !== item) (copy ??= [...(value as unknown[])])[index] = changed
    }
    return copy ?? value
  }
  if (!isMap(value)) return value
  const plan = planOf(actualType(value, type))
  let copy: JsonMap | undefined
  for (const key of Object.keys(value)) {
    const item = value[key]
    const step = plan.get(key)
    const changed =
      type === 'Reference' && key === 'reference' ? replaced(item, 'reference', replace) : follow(item, step, replace)
    if (changed !== item) (copy ??= { ...value })[key] = changed
  }
  return copy ?? value
}

function follow(item: unknown, step: Step | undefined, replace: Replace): unknown {
  if (step === undefined) return item
  if ('into' in step) return rewrite(item, step.into, replace)
  if (step.text === 'uri') return replaced(item, 'uri', replace)
  return typeof item === 'string' ? replaceLinks(item, replace) : item
}

function replaced(value: unknown, kind: 'reference' | 'uri', replace: Replace): unknown {
  if (Array.isArray(value)) {
    const items = value.map((item) => replaced(item, kind, replace))
    return items.some((item, index) => item !== value[index]) ? items : (value as unknown[])
  }
  return typeof value === 'string' ? (replace(value, kind) ?? value) : value
}

const LINK = /(<(?:a|img)\s[^<>]*?(?:href|src)\s*=\s*)(?:"([^"<]*)"|'([^'<]*)')/g

function replaceLinks(div: string, replace: Replace): string {
  return div.replace(LINK, (whole, before: string, double?: string, single?: string) => {
    const changed = replace(decodeEntities(double ?? single ?? ''), 'link')
    return changed === undefined ? whole : `${before}"${encodeAttribute(changed)}"`
  })
}

import { structures, summaryElements } from './definitions/structures.js'
import type { ResultOptions } from './search/query.js'
import { type JsonObject, type JsonValue, parseJson, stringify } from './json.js'

/** What of a resource is wanted: `_summary`, or the top-level names of `_elements`. */
export interface Subset {
  readonly summary?: 'true' | 'text' | 'data'
  readonly elements?: readonly string[]
}

/** "Servers SHOULD mark the resources with the tag SUBSETTED", https://hl7.org/fhir/R4/search.html#summary */
const SUBSETTED = { system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue', code: 'SUBSETTED' }
/** Never left out: without them nobody knows what it is. */
const ALWAYS = ['resourceType', 'id', 'meta']

/** What result parameters leave of a resource; undefined: all of it. */
export function subsetAsked({ summary, elements }: Pick<ResultOptions, 'summary' | 'elements'>): Subset | undefined {
  const short = summary === 'true' || summary === 'text' || summary === 'data' ? summary : undefined
  if (short === undefined && elements.length === 0) return undefined
  return { ...(short === undefined ? {} : { summary: short }), ...(elements.length === 0 ? {} : { elements }) }
}

/** A resource with what is wanted of it, and what R4 does not let it be without; tagged as such. */
export function subsetOf(body: Uint8Array, subset: Subset): Uint8Array {
  const resource = parseJson(body) as JsonObject
  return Buffer.from(stringify(subsetted(reduced(resource, subset))))
}

function reduced(resource: JsonObject, { summary, elements }: Subset): JsonObject {
  const type = resource['resourceType'] as string
  switch (summary) {
    case 'true':
      return summarised(resource, type)
    case 'data': {
      const { text: _, ...data } = resource
      return data
    }
    case 'text':
      return only(resource, type, ['text'])
    default:
      return elements === undefined ? resource : only(resource, type, elements)
  }
}

function only(resource: JsonObject, type: string, wanted: readonly string[]): JsonObject {
  const kept = [
    ...ALWAYS,
    ...wanted.flatMap((name) => formsOf(type, name)),
    ...(summaryElements()[type]?.mandatory ?? []),
  ]
  return pick(resource, (name) => isOneOf(kept, name))
}

/** A choice is asked for by its name in the definitions: `value` is `value[x]`. */
function formsOf(type: string, name: string): string[] {
  const choice = `${name}[x]`
  return structures().types[type]?.elements.some(([each]) => each === choice) ? [name, choice] : [name]
}

/** The elements of the summary, and inside of those with elements of their own again those of the summary. */
function summarised(object: JsonObject, path: string): JsonObject {
  const row = summaryElements()[path]
  if (row === undefined) return object
  const kept = [...(path.includes('.') ? ['id', 'modifierExtension'] : ALWAYS), ...row.summary]
  const picked = pick(object, (name) => isOneOf(kept, name))
  return Object.fromEntries(Object.entries(picked).map(([name, value]) => [name, inside(value, `${path}.${name}`)]))
}

function inside(value: JsonValue, path: string): JsonValue {
  if (Array.isArray(value)) return value.map((each) => inside(each, path))
  const known = summaryElements()[path] !== undefined
  return known && typeof value === 'object' && value !== null ? summarised(value as JsonObject, path) : value
}

function pick(object: JsonObject, keep: (name: string) => boolean): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([name]) => keep(name)))
}

/** `value[x]` is `valueQuantity`, and `_birthDate` goes with `birthDate`. */
function isOneOf(names: readonly string[], name: string): boolean {
  const plain = name.startsWith('_') ? name.slice(1) : name
  return names.some((each) =>
    each.endsWith('[x]') ? new RegExp(`^${each.slice(0, -3)}[A-Z]`).test(plain) : each === plain,
  )
}

/** The resource with the tag that something of it is left out; elements in the order in which R4 has them. */
export function subsetted<T extends Readonly<Record<string, unknown>>>(resource: T): T {
  const { resourceType, id, meta, ...rest } = resource
  const before = (meta ?? {}) as { readonly tag?: unknown }
  const tags: unknown[] = Array.isArray(before.tag) ? before.tag : []
  return {
    resourceType,
    ...(id === undefined ? {} : { id }),
    meta: { ...before, tag: [...tags, SUBSETTED] },
    ...rest,
  } as unknown as T // the same elements, `meta` with a tag more
}

import type { Interaction } from '../gateway/interaction.js'

/**
 * The whole R4 REST interface on one screen, https://hl7.org/fhir/R4/http.html#summary
 * `[type]` a resource type, `[compartment]` a type with a compartment, `[id]` and `[vid]` logical ids,
 * `$[operation]` an operation name. HEAD is answered from GET. update, patch and delete on `/[type]` are conditional.
 */
export const ROUTES: readonly (readonly [path: string, methods: Partial<Record<Method, Interaction>>])[] = [
  ['/', { GET: 'search-system', POST: 'transaction' }],
  ['/metadata', { GET: 'capabilities' }],
  ['/_search', { POST: 'search-system' }],
  ['/_history', { GET: 'history-system' }],
  ['/$[operation]', { GET: 'operation', POST: 'operation', DELETE: 'operation' }],
  ['/[type]', { GET: 'search-type', POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }],
  ['/[type]/_search', { POST: 'search-type' }],
  ['/[type]/_history', { GET: 'history-type' }],
  ['/[type]/$[operation]', { GET: 'operation', POST: 'operation' }],
  ['/[type]/[id]', { GET: 'read', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }],
  ['/[type]/[id]/_history', { GET: 'history-instance' }],
  ['/[type]/[id]/_history/[vid]', { GET: 'vread' }],
  ['/[type]/[id]/$[operation]', { GET: 'operation', POST: 'operation' }],
  ['/[compartment]/[id]/*', { GET: 'search-compartment' }],
  ['/[compartment]/[id]/_search', { POST: 'search-compartment' }],
  ['/[compartment]/[id]/[type]', { GET: 'search-compartment' }],
  ['/[compartment]/[id]/[type]/_search', { POST: 'search-compartment' }],
]

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** https://hl7.org/fhir/R4/compartmentdefinition.html */
export const COMPARTMENTS: ReadonlySet<string> = new Set([
  'Patient',
  'Encounter',
  'RelatedPerson',
  'Practitioner',
  'Device',
])

export interface Target {
  readonly interaction: Interaction
  readonly type?: string
  readonly id?: string
  readonly vid?: string
  readonly compartment?: { readonly type: string; readonly id: string }
  readonly operation?: string
}

export type Match =
  | { readonly kind: 'found'; readonly target: Target }
  | { readonly kind: 'method-not-allowed'; readonly allow: readonly string[] }
  | { readonly kind: 'unknown-type'; readonly type: string }
  | { readonly kind: 'malformed-id'; readonly id: string }
  | { readonly kind: 'not-found' }

/** FHIR id: https://hl7.org/fhir/R4/datatypes.html#id */
const ID = /^[A-Za-z0-9\-.]{1,64}$/
const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,127}$/

interface Row {
  readonly pattern: readonly string[]
  readonly methods: Partial<Record<Method, Interaction>>
}

const ROWS: readonly Row[] = ROUTES.map(([path, methods]) => ({ pattern: split(path), methods }))
const BY_LENGTH = new Map([0, 1, 2, 3, 4].map((n) => [n, ROWS.filter(({ pattern }) => pattern.length === n)]))

/** `segments`: the decoded parts of the path below the FHIR base, without empty ones at the end. */
export function matchRoute(method: string, segments: readonly string[], types: ReadonlySet<string>): Match {
  let near: Match = { kind: 'not-found' }
  for (const { pattern, methods } of BY_LENGTH.get(segments.length) ?? []) {
    const bound = bind(pattern, segments, types)
    if (bound === 'other') continue
    if ('kind' in bound) {
      near = bound
      continue
    }
    const interaction = methods[method as Method]
    if (interaction !== undefined) return { kind: 'found', target: { interaction, ...bound } }
    return { kind: 'method-not-allowed', allow: allowOf(methods) }
  }
  return near
}

function allowOf(methods: Row['methods']): string[] {
  return [...Object.keys(methods), ...('GET' in methods ? ['HEAD'] : []), 'OPTIONS']
}

/** The bound names; `other` when the shape differs; a Match when the shape fits and one value does not. */
function bind(pattern: readonly string[], segments: readonly string[], types: ReadonlySet<string>) {
  const bound: {
    type?: string
    id?: string
    vid?: string
    operation?: string
    compartment?: { type: string; id: string }
  } = {}
  let refused: Match | undefined
  let owner = ''
  for (const [i, form] of pattern.entries()) {
    const segment = segments[i] ?? ''
    switch (form) {
      case '[type]':
        if (reserved(segment)) return 'other'
        if (!types.has(segment)) refused ??= { kind: 'unknown-type', type: segment }
        bound.type = segment
        break
      case '[compartment]':
        if (!COMPARTMENTS.has(segment)) return 'other'
        owner = segment
        break
      case '[id]':
        if (reserved(segment)) return 'other'
        if (!ID.test(segment)) refused ??= { kind: 'malformed-id', id: segment }
        if (owner === '') bound.id = segment
        else bound.compartment = { type: owner, id: segment }
        break
      case '[vid]':
        if (!ID.test(segment)) refused ??= { kind: 'malformed-id', id: segment }
        bound.vid = segment
        break
      case '$[operation]':
        if (!segment.startsWith('$') || !NAME.test(segment.slice(1))) return 'other'
        bound.operation = segment.slice(1)
        break
      default:
        if (segment !== form) return 'other'
    }
  }
  return refused ?? bound
}

/** Segments that are never a type or an id: `_history`, `$everything`, `metadata`, `*`. */
function reserved(segment: string): boolean {
  return segment.startsWith('_') || segment.startsWith('$') || segment === 'metadata' || segment === '*'
}

function split(path: string): string[] {
  return path === '/' ? [] : path.slice(1).split('/')
}

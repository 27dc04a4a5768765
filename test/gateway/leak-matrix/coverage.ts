import { ROUTES } from '../../../src/http/routes.js'
import type { Ask } from './asking.js'

/** What one request goes through, by the tables that the gateway serves by. */
export interface Passage {
  /** `GET /[type]/[id]`, as in the table of routes. */
  readonly route: string
  readonly interaction: string
  /** `Type/[id]/$name`, as in the table of operations. */
  readonly operation?: string
}

const SEGMENT: Readonly<Record<string, string>> = {
  '[type]': '[A-Z][A-Za-z]*',
  '[compartment]': '[A-Z][A-Za-z]*',
  '[id]': '[A-Za-z0-9.-]+',
  '[vid]': '[A-Za-z0-9.-]+',
  '$[operation]': String.raw`\$[a-z-]+`,
  '*': String.raw`\*`,
}

const ROWS = ROUTES.map(([path, methods]) => {
  const pattern = path.split('/').map((segment) => SEGMENT[segment] ?? segment)
  return { path, methods, form: new RegExp(`^${path === '/' ? '/?' : pattern.join('/')}$`) }
})

export const routesOfTable = (): string[] =>
  ROUTES.flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method} ${path}`))

/** What a request and the entries of the Bundle in it pass. */
export function passages({ method, path, body }: Ask): Passage[] {
  const entries = (
    body as { entry?: readonly { readonly request: { readonly method: string; readonly url: string } }[] }
  )?.entry
  const inner = Array.isArray(entries)
    ? entries.flatMap(({ request }) => passage(request.method, `/${request.url}`))
    : []
  return [...passage(method, path), ...inner]
}

function passage(method: string, url: string): Passage[] {
  const path = url.split('?')[0] ?? ''
  const asked = method === 'HEAD' ? 'GET' : method
  const row = ROWS.find(({ form }) => form.test(path))
  const interaction = row?.methods[asked as 'GET']
  if (row === undefined || interaction === undefined) return []
  const [first = '', second = ''] = path.slice(1).split('/')
  const name = path.split('/').at(-1) ?? ''
  const operation = first.startsWith('$') ? name : second.startsWith('$') ? `${first}/${name}` : `${first}/[id]/${name}`
  return [{ route: `${asked} ${row.path}`, interaction, ...(interaction === 'operation' ? { operation } : {}) }]
}

/** @param place in the table of operations, `*` standing for any type */
export const isAt = (place: string, operation: string): boolean =>
  place.startsWith('*/') ? operation.endsWith(place.slice(1)) && /^[A-Z]/.test(operation) : operation === place

/** @param route as Fastify has it: `GET /path/:name`; all of FHIR is one route of it, whose table is ours */
export function isAskedBy(route: string, paths: readonly string[]): boolean {
  const [, url = ''] = route.split(' ')
  if (url === '/fhir' || url === '/fhir/*') return true
  const form = url
    .replaceAll('.', String.raw`\.`)
    .replaceAll('*', '.*')
    .replaceAll(/:\w+/g, '[^/]+')
  return paths.some((path) => new RegExp(`^${form}(\\?|$)`).test(path))
}

/** Of a CapabilityStatement. */
export interface Listed {
  readonly interaction?: readonly { readonly code: string }[]
  readonly operation?: readonly { readonly name: string }[]
  readonly resource: readonly Omit<Listed, 'resource'>[]
}

/** What the matrix is for: each of these has a door of its name. */
export const DOORS: readonly string[] = [
  ...['read', 'vread', 'history of instance', 'history of type', 'history of system', 'search', 'POST _search'],
  ...['compartment search', 'page n', '_include', '_revinclude', ':iterate', 'chain', '_has', '_sort', '_total'],
  ...['_filter', '_text/_content', '$everything', '$lastn', '$document', '$meta', 'conditional create', 'PATCH'],
  ...['conditional read', 'conditional update', 'conditional delete', 'transaction', 'batch', 'GraphQL nested'],
  ...['error text', 'ETag/If-None-Match'],
]

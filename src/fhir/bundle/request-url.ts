import { ConsentryError } from '../../errors.js'
import { isResourceType } from '../definitions/structures.js'

/** The interactions that an entry can ask for, by the specification's names. */
export type EntryInteraction =
  | 'capabilities'
  | 'read'
  | 'vread'
  | 'history-instance'
  | 'history-type'
  | 'history-system'
  | 'create'
  | 'update'
  | 'patch'
  | 'delete'
  | 'search-type'
  | 'search-system'
  | 'search-compartment'
  | 'operation'

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
export const METHODS: readonly Method[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']

/** What `Bundle.entry.request.method` and `.url` say, in the terms of https://hl7.org/fhir/R4/http.html#operations. */
export interface EntryRequest {
  readonly interaction: EntryInteraction
  readonly method: Method
  readonly type?: string
  readonly id?: string
  readonly vid?: string
  readonly compartment?: { readonly type: string; readonly id: string }
  /** Name without `$`. */
  readonly operation?: string
  readonly params: readonly (readonly [name: string, value: string])[]
}

const ID = /^[A-Za-z0-9\-.]{1,64}$/

/**
 * Reads the URL of an entry, relative to the base (or absolute below `base`). `expression` names the element for
 * the error.
 *
 * @throws ConsentryError `malformed`, `not-found` for an unknown type, `not-supported` for a method there
 */
export function parseEntryRequest(method: Method, url: string, base: string, expression: string): EntryRequest {
  const relative = url.startsWith(`${base}/`) ? url.slice(base.length + 1) : url.replace(/^\//, '')
  if (/^[a-z][a-z0-9+.-]*:/i.test(relative)) {
    throw refuse('malformed', `The URL must be relative to ${base}, or begin with it`, expression)
  }
  const [path = '', ...query] = relative.split('?')
  const params = parseQuery(query.join('?'), expression)
  const segments = path === '' ? [] : path.split('/')
  const [type, id] = segments
  if (type !== undefined && /^[A-Z]/.test(type) && !isResourceType(type)) {
    throw refuse('not-found', 'The URL begins with an unknown resource type', expression)
  }
  const request = read(method, segments, params)
  if (request === undefined) throw refuse('malformed', `No interaction has this method and URL (${method})`, expression)
  if (request.id !== undefined && !ID.test(request.id)) {
    throw refuse('malformed', `${type}/[id] has an id of at most 64 letters, digits, - and .`, expression)
  }
  if (id !== undefined && request.compartment && !ID.test(id)) {
    throw refuse('malformed', 'The compartment has no valid id', expression)
  }
  return request
}

function refuse(kind: 'malformed' | 'not-found', text: string, expression: string): ConsentryError {
  return new ConsentryError(kind, `${text}.`, { expression: [expression] })
}

type Params = EntryRequest['params']

function read(method: Method, segments: readonly string[], params: Params): EntryRequest | undefined {
  const [type, id, third, vid] = segments
  const last = segments.at(-1) ?? ''
  if (last.startsWith('$') && segments.length <= 3 && (method === 'GET' || method === 'POST')) {
    const at = segments.length === 1 ? {} : segments.length === 2 ? { type } : { type, id }
    return { interaction: 'operation', method, operation: last.slice(1), params, ...(at as { type?: string }) }
  }
  switch (method) {
    case 'GET':
    case 'HEAD':
      return readGet(method, segments, params)
    case 'POST':
      if (segments.length === 1 && type !== undefined && isResourceType(type)) {
        return { interaction: 'create', method, type, params }
      }
      if (last === '_search') return readGet(method, segments.slice(0, -1), params)
      return undefined
    case 'PUT':
    case 'PATCH':
    case 'DELETE': {
      const interaction = method === 'PUT' ? 'update' : method === 'PATCH' ? 'patch' : 'delete'
      if (type === undefined || !isResourceType(type) || third !== undefined || vid !== undefined) return undefined
      if (id !== undefined) return { interaction, method, type, id, params }
      return params.length > 0 ? { interaction, method, type, params } : undefined
    }
  }
}

function readGet(method: Method, segments: readonly string[], params: Params): EntryRequest | undefined {
  const [type, id, third, vid] = segments
  if (type === undefined) return { interaction: 'search-system', method, params }
  if (segments.length === 1 && type === 'metadata') return { interaction: 'capabilities', method, params }
  if (segments.length === 1 && type === '_history') return { interaction: 'history-system', method, params }
  if (!isResourceType(type)) return undefined
  if (id === undefined) return { interaction: 'search-type', method, type, params }
  if (id === '_history' && third === undefined) return { interaction: 'history-type', method, type, params }
  if (third === undefined) return { interaction: 'read', method, type, id, params }
  if (third === '_history' && segments.length === 3)
    return { interaction: 'history-instance', method, type, id, params }
  if (third === '_history' && segments.length === 4 && vid !== undefined && ID.test(vid)) {
    return { interaction: 'vread', method, type, id, vid, params }
  }
  if (segments.length > 3) return undefined
  const compartment = { type, id }
  if (third === '*') return { interaction: 'search-compartment', method, compartment, params }
  return isResourceType(third)
    ? { interaction: 'search-compartment', method, type: third, compartment, params }
    : undefined
}

/** Percent-decoded `name=value` pairs; real Bundles leave `|` and `:` unescaped, which is read as it stands. */
export function parseQuery(query: string, expression: string): (readonly [string, string])[] {
  if (query === '') return []
  return query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const equals = pair.indexOf('=')
      const name = equals < 0 ? pair : pair.slice(0, equals)
      try {
        return [decode(name), decode(equals < 0 ? '' : pair.slice(equals + 1))] as const
      } catch {
        throw refuse('malformed', 'The query of the URL has a broken % escape', expression)
      }
    })
}

const decode = (text: string): string => decodeURIComponent(text.replaceAll('+', ' '))

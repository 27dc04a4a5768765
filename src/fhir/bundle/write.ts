import type { Issue } from '../../errors.js'
import { stringify } from '../json.js'
import type { SearchQuery } from '../search-query.js'
import type { Resource } from '../types.js'

/** A resource as its JSON (passed through as it is) or as an object. */
export type Body = Uint8Array | string | Resource

/** One answer of a batch or transaction. */
export interface EntryResult {
  /** HTTP status. */
  readonly status: number
  /** `Type/id/_history/version`, relative to the base. */
  readonly location?: string
  readonly etag?: string
  /** Instant. */
  readonly lastModified?: string
  readonly resource?: Body
  readonly outcome?: Resource
}

export interface SearchsetEntry {
  readonly type: string
  readonly id: string
  readonly resource: Body
  /** Default `match`. */
  readonly mode?: 'match' | 'include'
}

export interface HistoryEntry {
  readonly type: string
  readonly id: string
  readonly version: number
  /** Instant. */
  readonly lastModified: string
  readonly method: 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** With its `$`, where the method was an operation's of the resource. */
  readonly operation?: string
  /** Before it there was nothing, or what had been deleted. */
  readonly created: boolean
  /** Absent for a deleted version. */
  readonly resource?: Body
}

export interface Page {
  /** FHIR base without slash at its end. */
  readonly base: string
  /** `_format` and `_pretty` as they were asked: who follows a link gets the next page in the form of this one. */
  readonly representation?: readonly (readonly [string, string])[]
  readonly total?: number
  /** Cursor of the next page; absent on the last one. */
  readonly next?: string
  /** Cursor of the page before; absent on the first one. */
  readonly previous?: string
}

/** Reason phrases of RFC 9110 for the statuses that entries have. */
const REASON: Readonly<Record<number, string>> = {
  200: 'OK',
  201: 'Created',
  202: 'Accepted',
  204: 'No Content',
  304: 'Not Modified',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  409: 'Conflict',
  410: 'Gone',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
}

/** The answer to a batch or transaction: `results` by the place of their entries in the request. */
export function responseBundle(kind: 'batch' | 'transaction', results: readonly EntryResult[]): Uint8Array {
  const entries = results.map(({ status, location, etag, lastModified, resource, outcome }) => ({
    after: {
      response: {
        status: REASON[status] === undefined ? String(status) : `${status} ${REASON[status]}`,
        ...(location === undefined ? {} : { location }),
        ...(etag === undefined ? {} : { etag }),
        ...(lastModified === undefined ? {} : { lastModified }),
        ...(outcome === undefined ? {} : { outcome }),
      },
    },
    ...(resource === undefined ? {} : { resource }),
  }))
  return write({ resourceType: 'Bundle', type: `${kind}-response` }, entries)
}

/**
 * A page of a search. The self link has the parameters that were obeyed; what lenient handling left out is told
 * as an entry of mode `outcome`.
 */
export function searchsetBundle(
  { type, applied, ignored }: Pick<SearchQuery, 'type' | 'applied' | 'ignored'>,
  found: readonly SearchsetEntry[],
  { base, total, representation = [], ...cursors }: Page,
  warnings: readonly Issue[] = [],
): Uint8Array {
  const entries: Entry[] = found.map(({ type, id, resource, mode = 'match' }) => ({
    before: { fullUrl: `${base}/${type}/${id}` },
    resource,
    after: { search: { mode } },
  }))
  const issue = [...issuesOf(ignored), ...warnings]
  if (issue.length > 0) {
    entries.push({ resource: { resourceType: 'OperationOutcome', issue }, after: { search: { mode: 'outcome' } } })
  }
  const head = {
    resourceType: 'Bundle',
    type: 'searchset',
    ...(total === undefined ? {} : { total }),
    link: links(type === '' ? base : `${base}/${type}`, [...applied, ...representation], cursors),
  }
  return write(head, entries)
}

/** A page of a history, newest first; `path` is `Type/id/_history` and the like. */
export function historyBundle(
  path: string,
  params: readonly (readonly [string, string])[],
  found: readonly HistoryEntry[],
  { base, total, representation = [], next }: Page,
): Uint8Array {
  const entries = found.map(({ type, id, version, lastModified, method, operation, created, resource }) => ({
    before: { fullUrl: `${base}/${type}/${id}` },
    ...(resource === undefined ? {} : { resource }),
    after: {
      request: {
        method,
        url: operation === undefined ? (method === 'POST' ? type : `${type}/${id}`) : `${type}/${id}/${operation}`,
      },
      response: {
        status: method === 'DELETE' ? '204 No Content' : created ? '201 Created' : '200 OK',
        location: `${type}/${id}/_history/${version}`,
        etag: `W/"${version}"`,
        lastModified,
      },
    },
  }))
  const head = {
    resourceType: 'Bundle',
    type: 'history',
    ...(total === undefined ? {} : { total }),
    link: links(`${base}/${path}`, [...params, ...representation], next === undefined ? {} : { next }),
  }
  return write(head, entries)
}

function links(
  url: string,
  params: readonly (readonly [string, string])[],
  { next, previous }: Pick<Page, 'next' | 'previous'>,
): { relation: string; url: string }[] {
  const to = (more: readonly (readonly [string, string])[]): string => {
    const query = [...params, ...more].map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&')
    return query === '' ? url : `${url}?${query}`
  }
  return [
    { relation: 'self', url: to([]) },
    // the first page is asked for without a place
    ...(next === undefined && previous === undefined ? [] : [{ relation: 'first', url: to([]) }]),
    ...(previous === undefined ? [] : [{ relation: 'previous', url: to([['_cursor', previous]]) }]),
    ...(next === undefined ? [] : [{ relation: 'next', url: to([['_cursor', next]]) }]),
  ]
}

/** Percent-encodes all but what a query may hold and what makes FHIR searches readable. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/%(?:3A|2F|2C|24|40)/g, decodeURIComponent)
}

function issuesOf(ignored: SearchQuery['ignored']): Issue[] {
  return ignored.map(({ name, reason }): Issue => ({
    severity: 'warning',
    code: 'not-supported',
    diagnostics: `The parameter ${name} was left out: it ${reason}.`,
    expression: [name],
  }))
}

interface Entry {
  readonly before?: Readonly<Record<string, unknown>>
  readonly resource?: Body
  readonly after: Readonly<Record<string, unknown>>
}

/** Resources that came as bytes go out as the same bytes, so no page is parsed for being sent. */
function write(head: Readonly<Record<string, unknown>>, entries: readonly Entry[]): Uint8Array {
  if (entries.length === 0) return Buffer.from(stringify(head))
  const parts: Uint8Array[] = []
  let text = `${stringify(head).slice(0, -1)},"entry":[`
  entries.forEach(({ before = {}, resource, after }, index) => {
    const fields = stringify(before).slice(1, -1)
    text += `${index === 0 ? '' : ','}{${fields}${fields === '' ? '' : ','}`
    if (resource !== undefined) {
      text += '"resource":'
      if (resource instanceof Uint8Array) {
        parts.push(Buffer.from(text), resource)
        text = ''
      } else text += typeof resource === 'string' ? resource : stringify(resource)
      text += ','
    }
    text += `${stringify(after).slice(1, -1)}}`
  })
  parts.push(Buffer.from(`${text}]}`))
  return Buffer.concat(parts)
}

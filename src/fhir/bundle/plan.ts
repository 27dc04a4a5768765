import { ConsentryError, type Issue } from '../../errors.js'
import { parseReference, referencesOf } from '../references.js'
import { parseSearch, type SearchQuery } from '../search-query.js'
import { asksOthers } from '../../clauses/reach.js'
import type { Bundle, BundleEntry, Resource } from '../types.js'
import { type EntryRequest, METHODS, parseEntryRequest, parseQuery } from './request-url.js'

/** One entry of a batch or transaction, checked and read, in the terms of the interaction it asks for. */
export interface EntryPlan extends EntryRequest {
  /** Place in `Bundle.entry`. */
  readonly index: number
  readonly fullUrl?: string
  /** As it came: references are rewritten by `resolve`. */
  readonly resource?: Resource
  /** Key of the lookup that finds what a conditional create, update, patch or delete is about. */
  readonly condition?: string
  readonly ifMatch?: string
  readonly ifNoneMatch?: string
  readonly ifModifiedSince?: string
}

/** A search whose matches `resolve` needs: conditions of entries and conditional references. */
export interface Lookup {
  /** `Type?query` as written first; entries and references with the same text share it. */
  readonly key: string
  readonly query: SearchQuery
  /** Where it stands, for messages. */
  readonly expressions: readonly string[]
}

export interface BundlePlan {
  readonly kind: 'batch' | 'transaction'
  /** By place; an entry of a batch that cannot be read is its own error. */
  readonly entries: readonly (EntryPlan | ConsentryError)[]
  /** Places in the order in which they are carried out: DELETE, POST, PUT and PATCH, GET and HEAD. */
  readonly order: readonly number[]
  readonly lookups: readonly Lookup[]
}

export interface PlanOptions {
  /** FHIR base of this server without slash at its end. */
  readonly base: string
  readonly maxEntries?: number
}

export const MAX_ENTRIES = 10_000

/**
 * Reads a Bundle of type batch or transaction (https://hl7.org/fhir/R4/http.html#transaction) as a plan; nothing is looked up and
 * nothing is changed. The resources of the entries are taken to be valid.
 *
 * @throws ConsentryError `malformed` with one issue per fault, `expression` naming entry and element: for a
 * transaction whatever is wrong, for a batch only what concerns the whole Bundle.
 */
export function planBundle(bundle: Resource, { base, maxEntries = MAX_ENTRIES }: PlanOptions): BundlePlan {
  const { type, entry = [] } = bundle as Bundle
  if (bundle.resourceType !== 'Bundle' || (type !== 'batch' && type !== 'transaction')) {
    throw new ConsentryError('malformed', 'Only a Bundle of type batch or transaction can be posted to the base.', {
      code: 'value',
      expression: ['Bundle.type'],
    })
  }
  if (entry.length > maxEntries) {
    throw new ConsentryError('too-large', `A Bundle has at most ${maxEntries} entries here.`, {
      code: 'too-costly',
      expression: ['Bundle.entry'],
    })
  }
  const planner = new Planner(type, base)
  const entries = entry.map((each, index) => planner.read(each, index))
  planner.requireDistinctUrls(entries)
  planner.throwFaults()
  return { kind: type, entries, order: orderOf(entries), lookups: planner.lookups() }
}

/** https://hl7.org/fhir/R4/http.html#trules: what is carried out first has the lowest; PUT and PATCH are one, and so are GET and HEAD. */
export const RANK: Readonly<Record<EntryRequest['method'], number>> = {
  DELETE: 0,
  POST: 1,
  PUT: 2,
  PATCH: 2,
  GET: 3,
  HEAD: 3,
}

/** Stable: entries of one method keep the order of the Bundle. */
function orderOf(entries: readonly (EntryPlan | ConsentryError)[]): number[] {
  const rank = (index: number): number => {
    const entry = entries[index]
    return entry === undefined || entry instanceof ConsentryError ? 4 : RANK[entry.method]
  }
  return entries.map((_, index) => index).sort((a, b) => rank(a) - rank(b) || a - b)
}

class Planner {
  readonly #lookups = new Map<string, { query: SearchQuery; expressions: string[] }>()
  readonly #issues: Issue[] = []

  constructor(
    readonly kind: 'batch' | 'transaction',
    readonly base: string,
  ) {}

  read(entry: BundleEntry, index: number): EntryPlan | ConsentryError {
    try {
      return this.#read(entry, index)
    } catch (error) {
      if (!(error instanceof ConsentryError)) throw error
      this.#issues.push(...error.issues)
      return error
    }
  }

  #read({ fullUrl, resource, request }: BundleEntry, index: number): EntryPlan {
    const at = `Bundle.entry[${index}]`
    const method = METHODS.find((known) => known === request?.method)
    if (method === undefined) throw fault(`Give the request one of ${METHODS.join(', ')}.`, `${at}.request.method`)
    if (request?.url === undefined) throw fault('The request needs a URL.', `${at}.request.url`)
    const read = parseEntryRequest(method, request.url, this.base, `${at}.request.url`)
    requireResource(read, resource, at)
    const condition = this.#conditionOf(read, request.ifNoneExist, at)
    if (resource !== undefined && method !== 'DELETE') this.#readReferences(resource, at)
    return {
      ...read,
      index,
      ...(fullUrl === undefined ? {} : { fullUrl }),
      ...(resource === undefined ? {} : { resource }),
      ...(condition === undefined ? {} : { condition }),
      ...(request.ifMatch === undefined ? {} : { ifMatch: request.ifMatch }),
      ...(request.ifNoneMatch === undefined ? {} : { ifNoneMatch: request.ifNoneMatch }),
      ...(request.ifModifiedSince === undefined ? {} : { ifModifiedSince: request.ifModifiedSince }),
    }
  }

  #conditionOf(read: EntryRequest, ifNoneExist: string | undefined, at: string): string | undefined {
    const { interaction, type, id, params } = read
    if (ifNoneExist !== undefined) {
      if (interaction !== 'create')
        throw fault('ifNoneExist belongs to POST [type] alone.', `${at}.request.ifNoneExist`)
      // some clients write the whole URL, Patient?identifier=…
      const query = ifNoneExist.slice(ifNoneExist.indexOf('?') + 1)
      return this.#condition(type ?? '', query, undefined, `${at}.request.ifNoneExist`)
    }
    const conditional = interaction === 'update' || interaction === 'patch' || interaction === 'delete'
    if (!conditional || id !== undefined) return undefined
    const text = params.map(([name, value]) => `${name}=${value}`).join('&')
    return this.#condition(type ?? '', text, params, `${at}.request.url`)
  }

  #readReferences(resource: Resource, at: string): void {
    for (const { path, reference } of referencesOf(resource)) {
      if (reference.reference === undefined) continue
      const parsed = parseReference(reference.reference)
      const expression = `${at}.resource.${path}.reference`
      if (parsed.kind === 'conditional') this.#lookup(parsed.type, parsed.query, undefined, expression)
      if (parsed.kind === 'urn' && this.kind === 'batch') {
        throw fault('Entries of a batch stand alone: refer to another entry in a transaction.', expression, 'not-found')
      }
    }
  }

  /** What a condition of an entry finds; that of a batch is asked when it is carried out. @returns its key */
  #condition(type: string, text: string, params: EntryRequest['params'] | undefined, expression: string): string {
    return this.kind === 'batch' ? `${type}?${text}` : this.#lookup(type, text, params, expression)
  }

  #lookup(type: string, text: string, params: EntryRequest['params'] | undefined, expression: string): string {
    const key = `${type}?${text}`
    const known = this.#lookups.get(key)
    if (known) known.expressions.push(expression)
    else this.#lookups.set(key, { query: this.#query(type, text, params, expression), expressions: [expression] })
    return key
  }

  /** A condition that selects everything, or by what is not served, must not be guessed at. */
  #query(type: string, text: string, params: EntryRequest['params'] | undefined, expression: string): SearchQuery {
    try {
      const query = parseSearch(type, params ?? parseQuery(text, expression), 'strict', { base: this.base })
      if (query.clauses.some(asksOthers)) {
        throw fault(
          'A condition inside a Bundle may not be chained: it must be told of one resource alone.',
          expression,
          'not-supported',
        )
      }
      if (query.clauses.length > 0) return query
    } catch (error) {
      if (!(error instanceof ConsentryError)) throw error
      const issues = error.issues.map((issue) => ({ ...issue, expression: [expression] }))
      throw new ConsentryError(error.kind, error.message, { issues })
    }
    throw fault('The condition selects nothing: name at least one search parameter.', expression)
  }

  requireDistinctUrls(entries: readonly (EntryPlan | ConsentryError)[]): void {
    const seen = new Map<string, number>()
    for (const entry of entries) {
      if (entry instanceof ConsentryError || entry.fullUrl === undefined) continue
      const before = seen.get(entry.fullUrl)
      seen.set(entry.fullUrl, entry.index)
      if (before === undefined || this.kind === 'batch') continue
      const expression = `Bundle.entry[${entry.index}].fullUrl`
      this.#issues.push(...fault(`The fullUrl is that of entry ${before} as well.`, expression, 'duplicate').issues)
    }
  }

  throwFaults(): void {
    const [first] = this.#issues
    if (this.kind === 'batch' || first === undefined) return
    throw new ConsentryError('malformed', first.diagnostics, { issues: this.#issues })
  }

  lookups(): Lookup[] {
    return Array.from(this.#lookups, ([key, lookup]) => ({ key, ...lookup }))
  }
}

/** https://hl7.org/fhir/R4/bundle.html#invs and http.html#update: what a request carries, and that it is of one mind. */
function requireResource({ interaction, type, id }: EntryRequest, resource: Resource | undefined, at: string): void {
  const carries = interaction === 'create' || interaction === 'update' || interaction === 'patch'
  if (!carries) return
  if (resource === undefined) throw fault('The request needs a resource.', `${at}.resource`, 'required')
  if (interaction === 'patch') return
  if (resource.resourceType !== type) {
    throw fault(`The URL is that of ${type}, the resource is another type.`, `${at}.resource.resourceType`)
  }
  if (interaction === 'update' && id !== undefined && resource.id !== id) {
    throw fault('The resource needs the id that the URL has.', `${at}.resource.id`)
  }
}

function fault(text: string, expression: string, code: Issue['code'] = 'invalid'): ConsentryError {
  return new ConsentryError('malformed', text, { code, expression: [expression] })
}

import { randomUUID } from 'node:crypto'
import { ConsentryError, type ErrorKind, type Issue } from '../../errors.js'
import type { Resource } from '../types.js'
import type { ResolvedEntry } from './entry.js'
import type { BundlePlan, EntryPlan } from './plan.js'
import { Rewriter } from './rewrite.js'

export interface ResolvedBundle {
  readonly kind: 'batch' | 'transaction'
  readonly entries: readonly (ResolvedEntry | ConsentryError)[]
  readonly order: readonly number[]
}

export interface ResolveOptions {
  readonly base: string
  readonly newId?: () => string
}

/**
 * Turns a plan into what is to be done. `found` has for each lookup of the plan the ids that it matched in the
 * store as it was before the Bundle; two are enough to know that there are several.
 *
 * In a transaction ids are given first, then every reference to another entry (by `fullUrl`) and every
 * conditional reference is rewritten; a conditional reference may find what the transaction itself writes. In
 * a batch each entry stands alone and is its own error: what its condition finds is asked when it is carried out, since an entry before
 * it, or somebody else, may have made that.
 *
 * @throws ConsentryError for a transaction, with one issue per fault: `precondition-failed` for a condition
 * with several matches, `malformed` (duplicate) for two entries with one identity, `invalid` for a reference
 * that leads nowhere.
 */
export function resolveBundle(
  plan: BundlePlan,
  found: ReadonlyMap<string, readonly string[]>,
  { base, newId = randomUUID }: ResolveOptions,
): ResolvedBundle {
  const faults = new Faults(plan.kind)
  const decided = plan.entries.map((entry) =>
    entry instanceof ConsentryError ? entry : faults.guard(() => decide(plan.kind, entry, found, newId)),
  )
  if (plan.kind === 'transaction') requireDistinctIdentities(decided, faults)
  faults.throwAll()
  const rewriter = new Rewriter(plan, decided, found, base)
  const entries = decided.map((entry) =>
    entry instanceof ConsentryError ? entry : faults.guard(() => rewriter.rewrite(entry)),
  )
  faults.throwAll()
  return { kind: plan.kind, entries, order: plan.order }
}

function decide(
  kind: BundlePlan['kind'],
  entry: EntryPlan,
  found: ReadonlyMap<string, readonly string[]>,
  newId: () => string,
): ResolvedEntry {
  const { interaction, index } = entry
  if (!['create', 'update', 'patch', 'delete'].includes(interaction)) return { ...entry, action: 'ask' }
  if (entry.condition !== undefined && kind === 'batch') return { ...entry, action: 'ask' }
  if (entry.condition === undefined) {
    const id = interaction === 'create' ? newId() : entry.id
    return withIdentity(entry, interaction as ResolvedEntry['action'], id ?? '')
  }
  const [id, second] = found.get(entry.condition) ?? []
  if (second !== undefined) {
    throw fault(
      'precondition-failed',
      'multiple-matches',
      'The condition matches several resources.',
      `${at(index)}.request`,
    )
  }
  switch (interaction) {
    case 'create':
      return id === undefined ? withIdentity(entry, 'create', newId()) : withIdentity(entry, 'existing', id)
    case 'delete':
      return id === undefined ? { ...entry, action: 'nothing' } : withIdentity(entry, 'delete', id)
    case 'patch':
      if (id !== undefined) return withIdentity(entry, 'patch', id)
      throw fault('not-found', 'not-found', 'The condition matches nothing to patch.', `${at(index)}.request`)
    default:
      return decideUpdate(entry, id, newId)
  }
}

/** https://hl7.org/fhir/R4/http.html#cond-update */
function decideUpdate(entry: EntryPlan, id: string | undefined, newId: () => string): ResolvedEntry {
  const own = entry.resource?.id
  if (id === undefined)
    return own === undefined
      ? withIdentity(entry, 'create', newId())
      : { ...withIdentity(entry, 'update', own), unmatched: true }
  if (own === undefined || own === id) return withIdentity(entry, 'update', id)
  throw fault(
    'malformed',
    'invalid',
    'The condition matches a resource with another id than this one has.',
    `${at(entry.index)}.resource.id`,
  )
}

function withIdentity(entry: EntryPlan, action: ResolvedEntry['action'], id: string): ResolvedEntry {
  const { resource } = entry
  const writes = (action === 'create' || action === 'update') && resource !== undefined && resource.id !== id
  return { ...entry, action, id, ...(writes ? { resource: withId(resource, id) } : {}) }
}

/** `id` right behind `resourceType`, where people look for it. */
function withId(resource: Resource, id: string): Resource {
  const { resourceType, id: _, ...rest } = resource
  return { resourceType, id, ...rest }
}

const CHANGES: ReadonlySet<ResolvedEntry['action']> = new Set(['create', 'update', 'delete', 'patch'])

/** "If any resource identities (including resolved identities from conditional update/delete) overlap …, then the transaction SHALL fail." */
function requireDistinctIdentities(entries: readonly (ResolvedEntry | ConsentryError)[], faults: Faults): void {
  const seen = new Map<string, number>()
  for (const entry of entries) {
    if (entry instanceof ConsentryError || !CHANGES.has(entry.action)) continue
    // two conditional creates of one condition, both without a match, would make the same resource twice
    const identities = [
      `${entry.type}/${entry.id}`,
      ...(entry.action === 'create' && entry.condition ? [entry.condition] : []),
    ]
    for (const identity of identities) {
      const before = seen.get(identity)
      seen.set(identity, entry.index)
      if (before === undefined) continue
      faults.add(fault('malformed', 'duplicate', `Entry ${before} changes the same resource.`, at(entry.index)))
    }
  }
}

const at = (index: number): string => `Bundle.entry[${index}]`

function fault(kind: ErrorKind, code: Issue['code'], text: string, expression: string): ConsentryError {
  return new ConsentryError(kind, text, { code, expression: [expression] })
}

/** Faults end a transaction as a whole, and a batch entry by entry. */
class Faults {
  readonly #faults: ConsentryError[] = []

  constructor(readonly kind: 'batch' | 'transaction') {}

  add(fault: ConsentryError): void {
    this.#faults.push(fault)
  }

  guard<T>(work: () => T): T | ConsentryError {
    try {
      return work()
    } catch (error) {
      if (!(error instanceof ConsentryError)) throw error
      this.#faults.push(error)
      return error
    }
  }

  throwAll(): void {
    const [first] = this.#faults
    if (first === undefined || this.kind === 'batch') return
    const issues = this.#faults.flatMap((fault) => fault.issues)
    throw new ConsentryError(first.kind, first.message, { issues })
  }
}

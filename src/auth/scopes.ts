import { ConsentryError } from '../errors.js'
import type { Principal } from './principal.js'

/**
 * SMART App Launch 2.2 resource scopes, https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
 * `system/Patient.rs?param=value`; the v1 forms `.read`, `.write` and `.*` mean `rs`, `cud` and `cruds`.
 */
export type Permission = 'c' | 'r' | 'u' | 'd' | 's'

export interface Scope {
  readonly context: 'system' | 'user' | 'patient'
  /** Resource type or `*`. */
  readonly type: string
  readonly permissions: ReadonlySet<Permission>
  /** All of these must hold of a resource; empty: no narrowing. */
  readonly filter: ScopeFilter
  /** As it was granted. */
  readonly text: string
}

/** Search parameters (name with modifiers, value) that a resource must match. */
export type ScopeFilter = readonly (readonly [name: string, value: string])[]

/** `filters` null: every resource of the type. Else a resource must match at least one of them. */
export type ScopeDecision =
  | { readonly allowed: true; readonly filters: readonly ScopeFilter[] | null }
  | { readonly allowed: false; readonly needed: string }

const FORM = /^(system|user|patient)\/(\*|[A-Z][A-Za-z]{1,63})\.(\*|read|write|[cruds]{1,5})(?:\?([^\s"\\]{1,1000}))?$/
const VERSION_1: Readonly<Record<string, string>> = { '*': 'cruds', read: 'rs', write: 'cud' }

/** Null for anything that is not a resource scope (`openid`, `launch`, misspelt ones). */
export function parseScope(text: string): Scope | null {
  const [, context, type, access, query] = FORM.exec(text) ?? []
  if (context === undefined || type === undefined || access === undefined) return null
  const letters = VERSION_1[access] ?? access
  // The specification fixes the order c, r, u, d, s; another order or a repeated letter is no scope.
  if (!/^c?r?u?d?s?$/.test(letters)) return null
  const filter = query === undefined ? [] : [...new URLSearchParams(query)]
  if (filter.some(([name]) => name === '')) return null
  return {
    context: context as Scope['context'],
    type,
    permissions: new Set(letters as Iterable<Permission>),
    filter,
    text,
  }
}

/** The resource scopes in a space-separated list; others are dropped. */
export function parseScopes(list: string): Scope[] {
  return list
    .split(' ')
    .map(parseScope)
    .filter((scope) => scope !== null)
}

/** Which letter each FHIR interaction asks for, as the SMART specification assigns them. */
const PERMISSION: Readonly<Record<string, Permission>> = {
  create: 'c',
  read: 'r',
  vread: 'r',
  'history-instance': 'r',
  update: 'u',
  patch: 'u',
  delete: 'd',
  'search-type': 's',
  'search-compartment': 's',
  'search-system': 's',
  'history-type': 's',
  'history-system': 's',
}

/** May the principal do this to resources of the type, as far as scopes say? Consent is asked besides. */
export function allows(principal: Principal, type: string, interaction: string): ScopeDecision {
  const permission = PERMISSION[interaction]
  if (permission === undefined) throw new ConsentryError('internal', `No scope is assigned to "${interaction}".`)
  const fitting = principal.scopes.filter((s) => (s.type === '*' || s.type === type) && s.permissions.has(permission))
  if (fitting.length === 0) {
    const context = principal.role === 'patient' ? 'patient' : 'system'
    return { allowed: false, needed: `${context}/${type}.${permission}` }
  }
  const unrestricted = fitting.some((s) => s.filter.length === 0)
  return { allowed: true, filters: unrestricted ? null : fitting.map((s) => s.filter) }
}

/** Like `allows`, but 403 naming the scope that is missing. */
export function requireScope(principal: Principal, type: string, interaction: string): readonly ScopeFilter[] | null {
  const decision = allows(principal, type, interaction)
  if (decision.allowed) return decision.filters
  throw new ConsentryError(
    'forbidden',
    `The access token lacks the scope ${decision.needed} that ${interaction} on ${type} needs.`,
  )
}

import { ConsentryError } from '../errors.js'
import type { Principal } from './principal.js'
import type { Permission, ScopeFilter } from './scopes.js'

/** `filters` null: every resource of the type. Else a resource must match at least one of them. */
export type ScopeDecision =
  | { readonly allowed: true; readonly filters: readonly ScopeFilter[] | null }
  | { readonly allowed: false; readonly needed: string }

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

/**
 * For a write. A granular scope says which resources a client may see; what it may write under one is not served, and a
 * narrow token must not write what a wide one may.
 */
export function requireWriteScope(principal: Principal, type: string, interaction: string): void {
  if (requireScope(principal, type, interaction) === null) return
  throw new ConsentryError('forbidden', `${interaction} on ${type} is not served under a granular scope.`, {
    code: 'security',
  })
}

/** Like `allows`, but 403 naming the scope that is missing. */
export function requireScope(principal: Principal, type: string, interaction: string): readonly ScopeFilter[] | null {
  const decision = allows(principal, type, interaction)
  if (decision.allowed) return decision.filters
  throw new ConsentryError(
    'forbidden',
    `The access token lacks the scope ${decision.needed} that ${interaction} on ${type} needs.`,
    // Tells the edge that a wider token would help: WWW-Authenticate with insufficient_scope (RFC 6750).
    { code: 'security' },
  )
}

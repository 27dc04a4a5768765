import { ConsentryError } from '../errors.js'
import type { Principal } from './principal.js'
import { WALLET_SCOPE } from './wallet-scope.js'

const BASE = 'https://consentry.health/fhir/scope'
/** Of a client whose users may open a record in an emergency, without consent (`$break-glass`). No resource scope says that. */
export const BREAK_GLASS_SCOPE = `${BASE}/emergency.break`
/** Of the privacy officer's client: it reviews emergency accesses (`$review`). No resource scope says that. */
export const PRIVACY_SCOPE = `${BASE}/emergency.review`

/** Scopes of our own, full URIs as OAuth and SMART want such scopes to be. */
export const OWN_SCOPES: readonly string[] = [WALLET_SCOPE, BREAK_GLASS_SCOPE, PRIVACY_SCOPE]

/** Those of a space-separated list. */
export function ownScopes(list: string): string[] {
  const given = list.split(' ')
  return OWN_SCOPES.filter((scope) => given.includes(scope))
}

/** @throws ConsentryError `forbidden` naming the scope */
export function requireBreakGlassScope(principal: Principal): void {
  if (principal.breaksGlass !== true) throw lacking(BREAK_GLASS_SCOPE, 'opening a record in an emergency')
}

/** @throws ConsentryError `forbidden` naming the scope */
export function requirePrivacyScope(principal: Principal): void {
  if (principal.reviews !== true) throw lacking(PRIVACY_SCOPE, 'reviewing an emergency access')
}

function lacking(scope: string, what: string): ConsentryError {
  return new ConsentryError('forbidden', `The access token lacks the scope ${scope} that ${what} needs.`, {
    code: 'security',
  })
}

import type { JSONWebKeySet } from 'jose'
import type { PartyId, Principal } from './principal.js'

/** A client as the operator registered it: what it may ask for and for whom it acts. Public keys only. */
export interface RegisteredClient {
  readonly id: string
  /** RSA keys (at least 2048 bit) for RS384, P-384 keys for ES384; each with a `kid`. */
  readonly jwks: JSONWebKeySet
  /** Space-separated SMART scopes; tokens never hold more. */
  readonly scopes: string
  readonly entity: PartyId
  readonly practitioner?: PartyId
  readonly patient?: string
  readonly role: Principal['role']
  /** v3-PurposeOfUse codes that it may claim; the first is assumed when it claims none. Absent: TREAT. */
  readonly purposes?: readonly string[]
}

/** Asked at every token request and every call, so that a removed client is refused at once. */
export interface ClientRegistry {
  find(clientId: string): Promise<RegisteredClient | undefined>
}

/** A registry that does not change. */
export function fixedRegistry(clients: Iterable<RegisteredClient>): ClientRegistry {
  const byId = new Map(Array.from(clients, (client) => [client.id, client]))
  return { find: async (clientId) => byId.get(clientId) }
}

import type { Principal } from '../auth/principal.js'
import type { GatewayParts } from './parts.js'

/** The gateway as whoever keeps its own records: nobody else hears of what it reads under this name. */
export function itself({ entity }: Pick<GatewayParts, 'entity'>): Principal {
  return { clientId: 'consentry', entity, role: 'system', scopes: [], purposes: ['HOPERAT'], tokenId: '', expiresAt: 0 }
}

import type { Principal } from '../../src/auth/principal.js'
import { parseScope, type Scope } from '../../src/auth/scopes.js'
import type { InteractionRequest } from '../../src/gateway/interaction.js'
import type { GatewayParts } from '../../src/gateway/parts.js'

/** A client of the hospital's own, that may do everything. */
export const ehrOf = ({ entity }: Pick<GatewayParts, 'entity'>): Principal => ({
  clientId: 'ehr',
  entity,
  role: 'system',
  scopes: [parseScope('system/*.cruds') as Scope],
  purposes: ['TREAT'],
  tokenId: '',
  expiresAt: 0,
})

/** What the edge would hand on: an update of that client, unless `over` says otherwise. */
export function asking(
  parts: Pick<GatewayParts, 'entity' | 'baseUrl'>,
  over: Partial<InteractionRequest>,
  body?: unknown,
): InteractionRequest {
  return {
    interaction: 'update',
    method: 'PUT',
    params: [],
    headers: {},
    ...(body === undefined ? {} : { body: Buffer.from(JSON.stringify(body)) }),
    requestId: 'r',
    clientAddress: '::1',
    baseUrl: parts.baseUrl,
    principal: ehrOf(parts),
    ...over,
  }
}

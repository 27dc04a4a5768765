import type { OpenRequest, InteractionResponse } from './interaction.js'
import type { GatewayParts } from './parts.js'

export function capabilities(_parts: GatewayParts): (request: OpenRequest) => Promise<InteractionResponse> {
  return async () => ({ status: 200, headers: {}, body: { resourceType: 'CapabilityStatement' } })
}

import { ConsentryError } from '../errors.js'
import type { InteractionRequest } from './interaction.js'
import { isConfined } from './launch-context.js'
import type { GatewayParts } from './parts.js'

/**
 * What is said when a resource does not exist. A party of another entity, or the application of one patient, learns nothing from what is missing: to it, a
 * resource that does not exist is one that it may not read.
 */
export function missing(parts: GatewayParts, request: InteractionRequest, what: string): ConsentryError {
  return isForeign(parts, request) ? notForOthers() : new ConsentryError('not-found', `${what} does not exist.`)
}

export function isForeign(parts: GatewayParts, request: InteractionRequest): boolean {
  return request.principal.entity !== parts.entity || isConfined(request.principal)
}

/** The same words whether the resource exists or not. */
export function notForOthers(): ConsentryError {
  return new ConsentryError(
    'forbidden',
    'No consent of a patient is in force that lets this party read such a resource, or it does not exist.',
    { code: 'suppressed' },
  )
}

/** `asked`, with a denial to a party of another entity put into the words of `notForOthers`. */
export async function withoutExistence<T>(
  parts: GatewayParts,
  request: InteractionRequest,
  asked: Promise<T>,
): Promise<T> {
  try {
    return await asked
  } catch (error) {
    const denied = error instanceof ConsentryError && error.kind === 'forbidden'
    throw denied && isForeign(parts, request) ? notForOthers() : error
  }
}

import { GENERAL } from '../consent/labels.js'
import { type Action, NOBODY, type RecordSubject } from '../consent/permit.js'
import { categoryBits } from '../consent/terms.js'
import { ConsentryError } from '../errors.js'
import type { InteractionRequest } from './interaction.js'
import { isConfined } from './launch-context.js'
import type { GatewayParts } from './parts.js'

/**
 * What is said when a resource does not exist. A party of another entity, or the application of one patient, learns nothing from what is missing: to it, a
 * resource that does not exist is one that it may not read.
 */
export async function missing(parts: GatewayParts, request: InteractionRequest, what: string): Promise<ConsentryError> {
  return isForeign(parts, request)
    ? asHidden(parts, request, 'read')
    : new ConsentryError('not-found', `${what} does not exist.`)
}

export function isForeign(parts: GatewayParts, request: InteractionRequest): boolean {
  return request.principal.entity !== parts.entity || isConfined(request.principal)
}

/** In the compartment of a patient who is nobody. */
const NOBODYS: RecordSubject = {
  patient: NOBODY,
  origin: NOBODY,
  labels: GENERAL,
  categories: categoryBits([]),
}

/**
 * How a party is refused what it may not see, of what does not exist: the same is asked as of a record of a patient who has granted nothing, so that
 * neither the words, nor what holds for the party itself (a mirror that is too old), nor the work that it takes tell the two apart.
 */
export async function asHidden(
  parts: GatewayParts,
  request: InteractionRequest,
  action: Action,
): Promise<ConsentryError> {
  await parts.patients.localIds([NOBODY])
  const asked = parts.access.permit(request.principal, action, [NOBODYS])
  return withoutExistence(parts, request, asked).then(notForOthers, (error: unknown) => {
    if (error instanceof ConsentryError) return error
    throw error
  })
}

/** The same words whether the resource exists or not. */
function notForOthers(): ConsentryError {
  return new ConsentryError(
    'forbidden',
    'No consent of a patient is in force that lets this party do this, or there is no such resource.',
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

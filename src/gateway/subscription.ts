import { ConsentryError } from '../errors.js'
import type { Resource } from '../fhir/types.js'

/**
 * Subscriptions are not served yet (https://hl7.org/fhir/R4/subscription.html): one that is requested would be believed, and never
 * say anything. What is off or in error says that nothing comes of it, and can be kept.
 *
 * @throws ConsentryError `invalid` (not-supported)
 */
export function requireOff(subscription: Resource, at: string): void {
  const { status } = subscription as { status?: unknown } & Resource
  if (status !== 'requested' && status !== 'active') return
  throw new ConsentryError(
    'invalid',
    `Subscriptions are not served here, so none can be ${status}: ask again by search with _lastUpdated, or keep this one as off.`,
    { code: 'not-supported', expression: [`${at}.status`] },
  )
}

import { EVERY_LABEL } from '../../consent/labels.js'
import { ANY_ENTITY } from '../../consent/parties.js'
import { dateRange } from '../../fhir/search/date-range.js'
import type { Resource } from '../../fhir/types.js'
import { ACTION_SYSTEM, concept, labelCoding, partyActor } from './codes.js'
import { objectAt } from './provision.js'

/** The explicit consents of https://profiles.ihe.net/ITI/PCF/: Basic, Intermediate and Advanced. */
const PCF =
  /^https:\/\/profiles\.ihe\.net\/ITI\/PCF\/StructureDefinition\/IHE\.PCF\.consent(?:Basic|Intermediate|Advanced)(?:\||$)/

/** The resource may not be valid yet. */
export function isPcf({ meta }: { readonly meta?: unknown }): boolean {
  const profile: unknown = (meta as { profile?: unknown } | null | undefined)?.profile
  return Array.isArray(profile) && profile.some((url) => typeof url === 'string' && PCF.test(url))
}

/**
 * The provision of a Consent as a grant says it. Our own profile names everything; in PCF what is absent is not limited: no actor is "all
 * in the community", no action is access to data, no security label is all data, and a period is given in days.
 */
export function provisionIn(consent: Resource): Record<string, unknown> {
  const provision = objectAt(consent['provision'])
  if (!isPcf(consent)) return provision
  const { actor, action, securityLabel, period, ...rest } = provision
  return {
    ...rest,
    actor: actor ?? [partyActor(ANY_ENTITY)],
    action: action ?? [concept(ACTION_SYSTEM, 'read')],
    securityLabel: securityLabel ?? [labelCoding(EVERY_LABEL)],
    ...(period === undefined ? {} : { period: toTheSecond(objectAt(period)) }),
  }
}

/** From the beginning of its first to the end of its last day; what is no date stays, to be refused. */
function toTheSecond({ start, end }: Record<string, unknown>): object {
  const from = typeof start === 'string' ? dateRange(start) : undefined
  const to = typeof end === 'string' ? dateRange(end) : undefined
  return {
    ...(start === undefined ? {} : { start: from === undefined ? start : new Date(from.lo).toISOString() }),
    ...(end === undefined ? {} : { end: to === undefined ? end : new Date(to.hi).toISOString() }),
  }
}

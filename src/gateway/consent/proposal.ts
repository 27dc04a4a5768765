import { ConsentryError } from '../../errors.js'
import type { Resource } from '../../fhir/types.js'
import { ACT_CODE, GRANT_PROFILE } from './codes.js'
import { isPcf } from './pcf.js'

/** What a client may say of a grant; whether it holds, the ledger says. */
const OF_CLIENTS = ['draft', 'proposed', 'rejected', 'entered-in-error']

/** What a Consent is about when it is not about who may have data (https://hl7.org/fhir/R4/valueset-consent-scope.html). */
const OTHER_SCOPES = ['adr', 'treatment', 'research']
const SCOPE = 'http://terminology.hl7.org/CodeSystem/consentscope'
/** Categories of who may collect, use or be told data, whatever the scope says (https://hl7.org/fhir/R4/valueset-consent-category.html). */
const OF_DISCLOSURE = ['ICOL', 'IDSCL', 'INFA', 'INFAO', 'INFASO', 'IRDSCL']

/**
 * A Consent about privacy that is no grant is enforced by nobody: where it said `active`, a reader would believe that it is. It can be
 * kept as what was said or proposed; consents to treatment, to research and advance directives are the client's own.
 *
 * @throws ConsentryError `invalid`
 */
export function requireEnforced(consent: Resource, at: string): void {
  const { status, scope, category } = consent as { scope?: unknown; category?: unknown } & Resource
  if (status !== 'active' || isGrant(consent)) return
  const other = codingsOf(scope).some(({ system, code }) => system === SCOPE && OTHER_SCOPES.includes(String(code)))
  const discloses = listAt(category).some((concept) =>
    codingsOf(concept).some(({ system, code }) => system === ACT_CODE && OF_DISCLOSURE.includes(String(code))),
  )
  if (other && !discloses && !isPcf(consent)) return
  throw new ConsentryError(
    'invalid',
    `A Consent about privacy is in force by a grant on the ledger alone, so without one it cannot be active: propose it with the profile ${GRANT_PROFILE} and sign it, or keep it as draft, proposed or inactive. One that is about something else says so in scope, by ${OTHER_SCOPES.join(', ')} of ${SCOPE}.`,
    { expression: [`${at}.status`] },
  )
}

/**
 * A Consent of the grant profile is a proposal as long as the ledger holds nothing of it.
 *
 * @throws ConsentryError `invalid`
 */
export function requireProposal(consent: Resource, at: string): void {
  if (!isGrant(consent)) return
  const { status, verification } = consent
  const said = typeof status === 'string' ? status : ''
  if (!OF_CLIENTS.includes(said)) {
    throw new ConsentryError(
      'invalid',
      `Whether a grant is ${said.slice(0, 20)} is written by the server from the ledger: write ${OF_CLIENTS.join(', ')}, then sign it.`,
      { expression: [`${at}.status`] },
    )
  }
  if (verification === undefined) return
  throw new ConsentryError('invalid', 'Verification is written by the server from the ledger; leave it out.', {
    expression: [`${at}.verification`],
  })
}

/** The resource may not be valid yet. */
function isGrant(consent: Resource): boolean {
  const { meta } = consent as { meta?: { profile?: unknown } | null }
  return listAt(meta?.profile).some((url) => typeof url === 'string' && url.split('|')[0] === GRANT_PROFILE)
}

function codingsOf(concept: unknown): { system?: unknown; code?: unknown }[] {
  return listAt((concept as { coding?: unknown } | null | undefined)?.coding).map((coding) => coding ?? {})
}

function listAt(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

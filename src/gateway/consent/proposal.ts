import { ConsentryError } from '../../errors.js'
import type { Resource } from '../../fhir/types.js'
import { GRANT_PROFILE } from './codes.js'

/** What a client may say of a grant; whether it holds, the ledger says. */
const OF_CLIENTS = ['draft', 'proposed', 'rejected', 'entered-in-error']

/**
 * A Consent of the grant profile is a proposal as long as the ledger holds nothing of it. Other Consents (of a treatment, on
 * paper) are the client's own.
 *
 * @throws ConsentryError `invalid`
 */
export function requireProposal(consent: Resource, at: string): void {
  const { meta, status, verification } = consent as { meta?: { profile?: unknown } | null } & Resource
  const profiles: unknown = meta?.profile
  if (
    !Array.isArray(profiles) ||
    !profiles.some((url) => typeof url === 'string' && url.split('|')[0] === GRANT_PROFILE)
  )
    return
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

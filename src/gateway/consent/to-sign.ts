import { labelId } from '../../consent/labels.js'
import { actionMask, purposeMask } from '../../consent/terms.js'
import { ConsentryError } from '../../errors.js'
import type { Hex } from '../../ledger/hex.js'
import { type Grant, typedData, walletPayload } from '../../ledger/typed-data.js'
import type { StoredVersion } from '../../records/types.js'
import type { AuditedHandler } from '../audited.js'
import type { GatewayParts } from '../parts.js'
import { type Asked, type ConsentParts, load, SIGNING_SECONDS } from './request.js'
import { grantTerms } from './terms.js'

const NOTHING: Hex = `0x${'00'.repeat(32)}`

/** `Consent/[id]/$to-sign`: the EIP-712 data of the grant that the Consent proposes, for the patient's wallet. */
export function toSign(parts: GatewayParts, consent: ConsentParts): AuditedHandler {
  return async (request, trail) => {
    const asked = await load(parts, consent, request, trail, null)
    requireProposed(asked)
    const payload = walletPayload(typedData(consent.contracts, 'Grant', await prepare(parts, consent, asked)))
    const parameter = [{ name: 'typedData', valueString: JSON.stringify(payload) }]
    return { status: 200, headers: {}, body: { resourceType: 'Parameters', parameter } }
  }
}

/** @throws ConsentryError `conflict` */
export function requireProposed({ resource }: Asked): void {
  const status = String(resource['status'])
  if (status === 'proposed') return
  throw new ConsentryError('conflict', `Only a proposed Consent can be signed; this one is ${status}.`)
}

/**
 * The grant that the Consent proposes, usable once it is on the ledger: its key fragments are with the proxies, its
 * package is a durable block. Kept until it is signed.
 */
export async function prepare(
  parts: GatewayParts,
  consent: ConsentParts,
  { row, resource, patient }: Asked,
): Promise<Grant> {
  const terms = grantTerms(resource, parts.clock())
  const root = await consent.rootOf(patient.id)
  if (root === null) {
    throw new ConsentryError('conflict', 'The patient holds its keys: prepare the grant in the patient’s wallet.')
  }
  const reads = terms.actions.includes('read')
  const grant: Grant = {
    patient: patient.id,
    grantee: terms.grantee,
    labels: terms.labels.map(labelId),
    actions: actionMask(terms.actions),
    purposes: purposeMask(terms.purposes),
    categories: terms.categories,
    from: terms.from,
    to: terms.to,
    packageHash: reads ? await consent.granting.prepare(patient.id, root, terms.grantee, terms.labels) : NOTHING,
    policyHash: NOTHING,
    nonce: await consent.reader.read('ConsentRegistry', 'grantNonce', patient.id),
    deadline: Math.floor(parts.clock() / 1000) + SIGNING_SECONDS,
  }
  await consent.prepared.keep(preparedKey(row), grant)
  return grant
}

/** A changed Consent is prepared anew. */
export function preparedKey({ id, version }: StoredVersion): string {
  return `${id}/${version}`
}

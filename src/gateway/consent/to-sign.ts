import { randomBytes } from 'node:crypto'
import { canonicalJson } from '../../audit/canonical-json.js'
import { grantedLabelId, labelsGranted } from '../../consent/labels.js'
import { ANY_ENTITY } from '../../consent/parties.js'
import type { PatientId } from '../../consent/permit.js'
import { DOCUMENT_TYPE, MAX_DOCUMENT, type PolicyDocument } from '../../consent/policy-document.js'
import { actionMask, purposeMask } from '../../consent/terms.js'
import { ConsentryError } from '../../errors.js'
import type { Hex } from '../../ledger/hex.js'
import { type Grant, typedData, walletPayload } from '../../ledger/typed-data.js'
import type { StoredVersion } from '../../records/types.js'
import type { AuditedHandler } from '../audited.js'
import type { GatewayParts } from '../parts.js'
import { dataToSign } from './data-to-sign.js'
import { type Asked, type ConsentParts, load, SIGNING_SECONDS } from './request.js'
import { type GrantTerms, grantTerms } from './terms.js'

const NOTHING: Hex = `0x${'00'.repeat(32)}`

/** `Consent/[id]/$to-sign`: the EIP-712 data of the grant that the Consent proposes, for the patient's wallet. */
export function toSign(parts: GatewayParts, consent: ConsentParts): AuditedHandler {
  return async (request, trail) => {
    const asked = await load(parts, consent, request, trail, null)
    requireProposed(asked)
    const payload = walletPayload(typedData(consent.contracts, 'Grant', await prepare(parts, consent, asked)))
    return dataToSign(payload)
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
  // Whoever every entity is has no key: the record is read at its keeper's gateway alone.
  const reads = terms.actions.includes('read') && terms.grantee !== ANY_ENTITY
  const policy = await policyOf(parts, consent, patient.id, terms)
  const grant: Grant = {
    patient: patient.id,
    grantee: terms.grantee,
    labels: terms.labels.map(grantedLabelId),
    actions: actionMask(terms.actions),
    purposes: purposeMask(terms.purposes),
    categories: terms.categories,
    from: terms.from,
    to: terms.to,
    packageHash: reads
      ? await consent.granting.prepare({
          patient: patient.id,
          root,
          grantee: terms.grantee,
          labels: labelsGranted(terms.labels),
          ...(policy === undefined ? {} : { policy: policy.bytes }),
        })
      : NOTHING,
    policyHash: policy?.hash ?? NOTHING,
    nonce: await consent.reader.read('ConsentRegistry', 'grantNonce', patient.id),
    deadline: Math.floor(parts.clock() / 1000) + SIGNING_SECONDS,
  }
  await consent.prepared.keep(preparedKey(row), grant)
  return grant
}

/**
 * What the word cannot hold, as a document that is kept here. Another gateway gets it in the grant package, which is for who may read.
 *
 * @throws ConsentryError `invalid`
 */
async function policyOf(
  parts: GatewayParts,
  { policies }: ConsentParts,
  patient: PatientId,
  { grantee, actions, narrowing }: GrantTerms,
): Promise<{ readonly hash: Hex; readonly bytes: Uint8Array } | undefined> {
  if (narrowing === undefined) return undefined
  if (![parts.entity, ANY_ENTITY].includes(grantee) && !actions.includes('read')) {
    throw new ConsentryError(
      'invalid',
      'What narrows a grant reaches the grantee’s gateway with the keys to read: grant read too, or leave dataPeriod, data and provision out.',
      { expression: ['Consent.provision.action'] },
    )
  }
  const salt = randomBytes(32).toString('base64url')
  const document: PolicyDocument = { type: DOCUMENT_TYPE, patient, grantee, salt, ...narrowing }
  const bytes = Buffer.from(canonicalJson(document))
  if (bytes.length > MAX_DOCUMENT) {
    throw new ConsentryError(
      'invalid',
      `What narrows a grant is ${MAX_DOCUMENT} bytes at most; this is ${bytes.length}.`,
      {
        code: 'too-costly',
        expression: ['Consent.provision'],
      },
    )
  }
  return { hash: await policies.keep(bytes), bytes }
}

/** A changed Consent is prepared anew. */
export function preparedKey({ id, version }: StoredVersion): string {
  return `${id}/${version}`
}

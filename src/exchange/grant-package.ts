import * as dagCbor from '@ipld/dag-cbor'
import type { LabelCode } from '../consent/labels.js'
import { isLabelCode } from '../consent/labels.js'
import type { PartyId, PatientId } from '../consent/permit.js'
import { ConsentryError } from '../errors.js'
import { openSealed, sealTo } from '../vault/keys.js'
import type { PublicKey, SecretKey } from '../vault/pre/index.js'

/** What a grantee needs to use a grant: policy keys, and the proxies that re-encrypt under them. */
export interface GrantPackage {
  readonly patient: PatientId
  readonly grantee: PartyId
  /** m proxies are needed. */
  readonly threshold: number
  /** The patient's verifying key, 33 bytes; the ledger holds its commitment. */
  readonly verifyingKey: Uint8Array
  readonly policies: readonly { readonly label: LabelCode; readonly epoch: number; readonly policyKey: Uint8Array }[]
  readonly proxies: readonly { readonly id: PartyId; readonly endpoint: string }[]
}

const PURPOSE = 'consentry grant package 1'

/** Sealed to the grantee's encryption key: a block that says nothing to anyone else. */
export function sealPackage(grant: GrantPackage, receiver: PublicKey): Uint8Array {
  return sealTo(receiver, dagCbor.encode(grant), PURPOSE)
}

/** @throws ConsentryError `integrity` */
export function openPackage(sealed: Uint8Array, receiver: SecretKey): GrantPackage {
  const grant = dagCbor.decode<GrantPackage>(openSealed(receiver, sealed, PURPOSE))
  const known =
    Number.isInteger(grant.threshold) &&
    grant.verifyingKey.length === 33 &&
    grant.policies.every(({ label, policyKey }) => isLabelCode(label) && policyKey.length === 33) &&
    grant.proxies.length >= grant.threshold
  if (!known) throw new ConsentryError('integrity', 'The block is not a grant package.')
  return grant
}

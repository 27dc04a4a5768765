import * as dagCbor from '@ipld/dag-cbor'
import type { LabelCode } from '../consent/labels.js'
import { isLabelCode } from '../consent/labels.js'
import type { PartyId, PatientId } from '../consent/permit.js'
import { MAX_DOCUMENT } from '../consent/policy-document.js'
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
  /** The policy document whose hash is pinned beside the words: who enforces it may use them. */
  readonly policy?: Uint8Array
}

const PURPOSE = 'consentry grant package 1'
/** More than any grant is split over. */
const MAX_PROXIES = 32

/** Sealed to the grantee's encryption key: a block that says nothing to anyone else. */
export function sealPackage(grant: GrantPackage, receiver: PublicKey): Uint8Array {
  return sealTo(receiver, dagCbor.encode(grant), PURPOSE)
}

/** @throws ConsentryError `integrity`, or `malformed` for bytes that were sealed to nobody */
export function openPackage(sealed: Uint8Array, receiver: SecretKey): GrantPackage {
  const bytes = openSealed(receiver, sealed, PURPOSE)
  let grant: unknown
  try {
    grant = dagCbor.decode(bytes)
  } catch (cause) {
    throw new ConsentryError('integrity', 'The block is not a grant package.', { cause })
  }
  if (!isPackage(grant)) throw new ConsentryError('integrity', 'The block is not a grant package.')
  return grant
}

/** Whoever shares with us wrote it, and we call the addresses in it. */
function isPackage(value: unknown): value is GrantPackage {
  if (!isMap(value)) return false
  const { patient, grantee, threshold, verifyingKey, policies, proxies, policy } = value
  return (
    isId(patient) &&
    isId(grantee) &&
    isPoint(verifyingKey) &&
    Array.isArray(policies) &&
    policies.every((policy) => isMap(policy) && isPolicy(policy)) &&
    Array.isArray(proxies) &&
    proxies.length <= MAX_PROXIES &&
    proxies.every((proxy) => isMap(proxy) && isId(proxy['id']) && isHttp(proxy['endpoint'])) &&
    Number.isInteger(threshold) &&
    (threshold as number) >= 1 &&
    (threshold as number) <= proxies.length &&
    (policy === undefined || (policy instanceof Uint8Array && policy.length <= MAX_DOCUMENT))
  )
}

function isPolicy({ label, epoch, policyKey }: Record<string, unknown>): boolean {
  return typeof label === 'string' && isLabelCode(label) && Number.isInteger(epoch) && isPoint(policyKey)
}

const isMap = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
const isId = (value: unknown): boolean => typeof value === 'string' && /^0x[0-9a-f]{64}$/.test(value)
const isPoint = (value: unknown): boolean => value instanceof Uint8Array && value.length === 33
const isHttp = (value: unknown): boolean =>
  typeof value === 'string' && /^https?:\/\//.test(value) && URL.canParse(value)

import { createHmac } from 'node:crypto'
import type { PartyId } from '../consent/permit.js'
import { derive } from '../vault/keys.js'

const TAG_BYTES = 16

/**
 * The name of a feed (one author, one policy key) in public manifests: HMAC-SHA-256 under a key derived from the policy key,
 * cut to 16 bytes. Who does not hold the policy key can neither recognise nor link it to a patient or label.
 */
export function feedTag(policyKey: Uint8Array, author: PartyId): Uint8Array {
  const key = derive(policyKey, 'consentry feed')
  return new Uint8Array(createHmac('sha256', key).update(author).digest().subarray(0, TAG_BYTES))
}

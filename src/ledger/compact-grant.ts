import { Signature } from 'ethers'
import type { Writes } from './abi.js'
import type { Call, Contracts } from './contracts.js'
import type { Hex } from './hex.js'
import type { Grant } from './typed-data.js'

export type CompactGrant = Writes['ConsentRegistry']['grantCompact'][0]

/**
 * A signed `Grant` of one word and without policy in the fewest bytes (IConsentRegistry.CompactGrant); `null` when the grant
 * says more than that, or the signature is not a plain one. For patients with an account of their own: it costs about half
 * of `grantSigned`.
 */
export function compactGrant(grant: Grant, signature: Hex): CompactGrant | null {
  const [label, ...more] = grant.labels
  const action = Math.log2(grant.actions)
  if (label === undefined || more.length > 0 || !Number.isInteger(action) || BigInt(grant.policyHash) !== 0n)
    return null
  const signed = parse(signature)
  if (!signed) return null
  let terms = 0n
  let shift = 0n
  const put = (value: number | bigint, width: bigint): void => {
    terms |= BigInt.asUintN(Number(width), BigInt(value)) << shift
    shift += width
  }
  put(grant.from, 40n)
  put(grant.to, 40n)
  put(grant.purposes, 32n)
  put(grant.categories, 64n)
  put(action, 8n)
  put(grant.deadline, 40n)
  // The low half of the nonce; the high half must be the patient's revocation counter anyway.
  put(grant.nonce, 32n)
  const { patient, grantee, packageHash } = grant
  return { patient, grantee, label, terms, packageHash, r: signed.r as Hex, vs: signed.yParityAndS as Hex }
}

/** The cheapest transaction for many signed grants; those that do not hold are skipped on chain with `RelaySkipped`. */
export function compactGrantCall(contracts: Contracts, grants: readonly CompactGrant[]): Call {
  const [only] = grants
  if (only && grants.length === 1) return contracts.write('ConsentRegistry', 'grantCompact', only)
  return contracts.write('ConsentRegistry', 'grantCompactBatch', grants)
}

function parse(signature: Hex): Signature | null {
  try {
    return Signature.from(signature)
  } catch {
    return null
  }
}

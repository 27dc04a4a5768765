import { ConsentryError } from '../../errors.js'
import {
  CapsuleFrag,
  type CapsuleFragContext,
  capsuleFragOf,
  type CapsuleFragParts,
  proofClaim,
  signatureHolds,
  unverifiedParts,
  type VerifiedCapsuleFrag,
} from './capsule-frag.js'
import { defaultGroup } from './default-group.js'
import type { Group } from './group.js'

/** Who among several proxies answered falsely, and how. */
export interface Culprit {
  /** Place among the fragments given. */
  readonly index: number
  /**
   * `malformed`: no capsule fragment at all; `signature`: its key fragment is not the patient's for this policy and
   * receiver; `proof`: it is, but this is not the capsule re-encrypted with it.
   */
  readonly reason: 'malformed' | 'signature' | 'proof'
}

/**
 * Checks the answers of several proxies for one capsule. The proofs are checked together where the backend gains by
 * it, and one by one only when something is wrong with them; a false fragment costs its sender alone.
 *
 * @param frags 381 bytes each, as they came.
 */
export function verifyCapsuleFrags(
  frags: readonly Uint8Array[],
  context: CapsuleFragContext,
  group: Group = defaultGroup,
): { verified: VerifiedCapsuleFrag[]; culprits: Culprit[] } {
  const culprits: Culprit[] = []
  const signed: { index: number; parts: CapsuleFragParts }[] = []
  frags.forEach((bytes, index) => {
    const parts = partsOrNull(bytes, group)
    if (parts === null) culprits.push({ index, reason: 'malformed' })
    else if (!signatureHolds(parts, context, group)) culprits.push({ index, reason: 'signature' })
    else signed.push({ index, parts })
  })
  const claim = ({ parts }: { parts: CapsuleFragParts }) => proofClaim(parts, context.capsule)
  const together = group.claimsHold(signed.map(claim))
  const honest = signed.filter((frag) => {
    const holds = together || group.claimsHold([claim(frag)])
    if (!holds) culprits.push({ index: frag.index, reason: 'proof' })
    return holds
  })
  culprits.sort((a, b) => a.index - b.index)
  return { verified: honest.map(({ parts }) => capsuleFragOf(parts, context.capsule)), culprits }
}

function partsOrNull(bytes: Uint8Array, group: Group): CapsuleFragParts | null {
  try {
    return unverifiedParts(CapsuleFrag.fromBytes(bytes, group))
  } catch (error) {
    if (error instanceof ConsentryError && error.kind === 'malformed') return null
    throw error
  }
}

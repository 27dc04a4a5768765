import { type Capsule, capsuleParts } from './capsule.js'
import { capsuleFragOf, proofChallenge, type VerifiedCapsuleFrag } from './capsule-frag.js'
import { defaultGroup } from './default-group.js'
import type { Group } from './group.js'
import { keyFragParts, type VerifiedKeyFrag } from './key-frag.js'
import { randomScalar, wipe } from './scalar.js'

/** A proxy's work: e1 = rk·E, v1 = rk·V, and a proof of equal logarithms to the commitment rk·U. */
export function reencrypt(
  capsule: Capsule,
  keyFrag: VerifiedKeyFrag,
  group: Group = defaultGroup,
): VerifiedCapsuleFrag {
  const { id, rk, precursor, commitment: u1, signatureForReceiver } = keyFragParts(keyFrag)
  const { e, v } = capsuleParts(capsule)
  const t = randomScalar()
  const e1 = group.multiply(e, rk)
  const v1 = group.multiply(v, rk)
  const e2 = group.multiply(e, t)
  const v2 = group.multiply(v, t)
  const u2 = group.multiplyU(t)
  const rkh = group.times(rk, proofChallenge({ e, v }, { e1, v1, e2, v2, u1, u2 }))
  const z = group.add(rkh, t)
  wipe(t, rkh)
  return capsuleFragOf({ e1, v1, id, precursor, e2, v2, u1, u2, z, signatureForReceiver }, capsule)
}

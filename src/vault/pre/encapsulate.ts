import { type Capsule, capsuleChallenge, capsuleOf } from './capsule.js'
import { defaultGroup } from './default-group.js'
import type { Group } from './group.js'
import { keyOfPoint } from './hashing.js'
import { pointOf, type PublicKey } from './keys.js'
import { randomScalar, wipe } from './scalar.js'

/**
 * A fresh key of 32 bytes that only the holder of the secret of `policyKey`, or m re-encryptions toward a grantee,
 * gives back: (r + u)·A.
 */
export function encapsulate(policyKey: PublicKey, group: Group = defaultGroup): { capsule: Capsule; key: Uint8Array } {
  const r = randomScalar()
  const u = randomScalar()
  const e = group.multiplyBase(r)
  const v = group.multiplyBase(u)
  const rh = group.times(r, capsuleChallenge({ e, v }))
  const s = group.add(u, rh)
  const sum = group.add(r, u)
  const shared = group.multiply(pointOf(policyKey), sum)
  const key = keyOfPoint(shared)
  wipe(r, u, rh, sum, shared)
  return { capsule: capsuleOf({ e, v, s }), key }
}

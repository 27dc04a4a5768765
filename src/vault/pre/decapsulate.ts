import { ConsentryError } from '../../errors.js'
import type { Capsule } from './capsule.js'
import type { CapsuleFragParts, VerifiedCapsuleFrag } from './capsule-frag.js'
import { defaultGroup } from './default-group.js'
import { type Group, type Point, samePoint, type Scalar } from './group.js'
import { inverse, keyOfPoint } from './hashing.js'
import { polynomialArgument, sharedSecret } from './key-frag.js'
import type { PublicKey, SecretKey } from './keys.js'

/**
 * The key of a capsule for the grantee, from m verified fragments of one policy; more than m do no harm.
 *
 * @throws ConsentryError `invalid` when the fragments are of different policies or repeat one, or when they are too
 * few or not for this capsule: then the closing check fails.
 */
export function decapsulateReencrypted(
  receiving: SecretKey,
  delegating: PublicKey,
  capsule: Capsule,
  frags: readonly VerifiedCapsuleFrag[],
  group: Group = defaultGroup,
): Uint8Array {
  const parts = frags.map((frag) => frag.parts)
  const precursor = parts[0]?.precursor
  if (precursor === undefined || parts.some((part) => !samePoint(part.precursor, precursor))) {
    throw new ConsentryError('invalid', 'The capsule fragments are not of one policy.')
  }
  const b = receiving.publicKey.point
  const dh = group.multiply(precursor, receiving.expose())
  const lambdas = lagrange(group, parts, (id) => polynomialArgument(precursor, b, dh, id))
  const combine = (pick: (part: CapsuleFragParts) => Point): Point =>
    group.sum(parts.map((part, i) => group.multiply(pick(part), lambdas[i] as Scalar)))
  const e = combine((part) => part.e1)
  const v = combine((part) => part.v1)
  const d = sharedSecret(precursor, b, dh)
  const left = group.multiply(delegating.point, group.times(capsule.s, inverse(group, d)))
  if (!samePoint(left, group.sum([v, group.multiply(e, capsule.challenge())]))) {
    throw new ConsentryError('invalid', 'The capsule fragments do not open this capsule.')
  }
  const shared = group.multiply(group.sum([e, v]), d)
  const key = keyOfPoint(shared)
  for (const secret of [dh, d, shared]) secret.fill(0)
  return key
}

/** Lagrange coefficients at 0: the product of x_j / (x_j − x_i) over j ≠ i. */
function lagrange(group: Group, parts: readonly CapsuleFragParts[], argument: (id: Uint8Array) => Scalar): Scalar[] {
  const ids = new Set(parts.map(({ id }) => Buffer.from(id).toString('hex')))
  if (ids.size !== parts.length) throw new ConsentryError('invalid', 'A capsule fragment is there twice.')
  const xs = parts.map(({ id }) => argument(id))
  return xs.map((xi, i) => {
    let numerator = ONE
    let denominator = ONE
    for (const [j, xj] of xs.entries()) {
      if (j === i) continue
      numerator = group.times(numerator, xj)
      denominator = group.times(denominator, group.add(xj, group.negate(xi)))
    }
    return group.times(numerator, inverse(group, denominator))
  })
}

const ONE = new Uint8Array(32).fill(1, 31) as Scalar

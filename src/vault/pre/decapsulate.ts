import { ConsentryError } from '../../errors.js'
import { type Capsule, capsuleChallenge, capsuleParts } from './capsule.js'
import { capsuleFragParts, capsuleOfFrag, type CapsuleFragParts, type VerifiedCapsuleFrag } from './capsule-frag.js'
import { defaultGroup } from './default-group.js'
import { type Group, type Point, samePoint, type Scalar, unreachable } from './group.js'
import { keyOfPoint } from './hashing.js'
import { polynomialArgument, sharedSecret } from './key-frag.js'
import { pointOf, type PublicKey, scalarOf, type SecretKey } from './keys.js'
import { lagrangeAtZero } from './lagrange.js'
import { wipe } from './scalar.js'

/** The key of a capsule for the delegator, 32 bytes: a·(E + V). */
export function decapsulateOriginal(secret: SecretKey, capsule: Capsule, group: Group = defaultGroup): Uint8Array {
  const { e, v } = capsuleParts(capsule)
  const sum = group.sum([e, v])
  if (sum === null) throw unreachable('A checked capsule has no shared point.')
  return keyOf(group.multiply(sum, scalarOf(secret)))
}

/**
 * The key of a capsule for the grantee, 32 bytes, from m verified fragments of one policy; more than m do no harm.
 *
 * @throws ConsentryError `invalid` when the fragments are of different policies or capsules or repeat one (the message
 * says which by its place), or when they are too few or not for this receiver: then the closing check fails.
 */
export function decapsulateReencrypted(
  receiving: SecretKey,
  delegating: PublicKey,
  capsule: Capsule,
  frags: readonly VerifiedCapsuleFrag[],
  group: Group = defaultGroup,
): Uint8Array {
  const { precursor, parts } = ofOnePolicy(frags, capsule)
  const b = pointOf(receiving.publicKey)
  const dh = group.multiply(precursor, scalarOf(receiving))
  const d = sharedSecret(precursor, b, dh)
  const args = parts.map(({ id }) => polynomialArgument(precursor, b, dh, id))
  const { lambdas, inverse: inverseOfD } = lagrangeAtZero(group, args, d)
  // The arguments are a secret of the policy, so the coefficients go through constant-time multiplication too.
  const combine = (pick: (part: CapsuleFragParts) => Point) =>
    group.sum(parts.map((part, i) => group.multiply(pick(part), lambdas[i]!)))
  try {
    const e = combine(({ e1 }) => e1)
    const v = combine(({ v1 }) => v1)
    const sum = e && v && group.sum([e, v])
    if (!e || !v || !sum || !opens(group, capsule, pointOf(delegating), inverseOfD, e, v)) {
      throw new ConsentryError('invalid', 'The capsule fragments do not open this capsule.')
    }
    return keyOf(group.multiply(sum, d))
  } finally {
    wipe(dh, d, inverseOfD, ...args, ...lambdas)
  }
}

/** (s·d⁻¹)·A = V' + H(CAPSULE_POINTS, E, V)·E' */
function opens(group: Group, capsule: Capsule, a: Point, inverseOfD: Scalar, e: Point, v: Point): boolean {
  const parts = capsuleParts(capsule)
  const left = group.multiply(a, group.times(parts.s, inverseOfD))
  const right = group.sum([v, group.multiplyPublic(e, capsuleChallenge(parts))])
  return right !== null && samePoint(left, right)
}

function ofOnePolicy(
  frags: readonly VerifiedCapsuleFrag[],
  capsule: Capsule,
): { precursor: Point; parts: CapsuleFragParts[] } {
  const parts = frags.map(capsuleFragParts)
  const precursor = parts[0]?.precursor
  if (precursor === undefined) throw new ConsentryError('invalid', 'No capsule fragments are given.')
  const seen = new Set<string>()
  frags.forEach((frag, i) => {
    const { id, precursor: own } = parts[i]!
    const key = Buffer.from(id).toString('hex')
    if (!samePoint(own, precursor)) throw new ConsentryError('invalid', `Capsule fragment ${i} is of another policy.`)
    if (!capsuleOfFrag(frag).equals(capsule)) {
      throw new ConsentryError('invalid', `Capsule fragment ${i} is of another capsule.`)
    }
    if (seen.has(key)) throw new ConsentryError('invalid', `Capsule fragment ${i} is there twice.`)
    seen.add(key)
  })
  return { precursor, parts }
}

function keyOf(shared: Point): Uint8Array {
  const key = keyOfPoint(shared)
  wipe(shared)
  return key
}

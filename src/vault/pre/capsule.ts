import { ConsentryError } from '../../errors.js'
import { defaultGroup } from './default-group.js'
import { compress, type Group, type Point, samePoint, type Scalar } from './group.js'
import { hashToScalar, isScalar, keyOfPoint, randomScalar } from './hashing.js'
import type { PublicKey, SecretKey } from './keys.js'
import { decode, encode } from './wire.js'

/** (E, V, s) with sG = V + H(E, V)·E. It exists only checked. */
export class Capsule {
  private constructor(
    readonly e: Point,
    readonly v: Point,
    readonly s: Scalar,
  ) {}

  /** @param bytes 105 bytes, MessagePack `[E, V, s]`. @throws ConsentryError `malformed`, also when the check fails */
  static fromBytes(bytes: Uint8Array, group: Group = defaultGroup): Capsule {
    const [e, v, s] = decode(bytes, [33, 33, 32], 'capsule') as [Uint8Array, Uint8Array, Uint8Array]
    const capsule = isScalar(s) ? new Capsule(group.decompress(e), group.decompress(v), s) : null
    if (capsule === null || !capsule.holds(group)) {
      throw new ConsentryError('malformed', 'The capsule does not pass its check.')
    }
    return capsule
  }

  /** For `encapsulate`, whose capsules hold by construction. */
  static made(e: Point, v: Point, s: Scalar): Capsule {
    return new Capsule(e, v, s)
  }

  toBytes(): Uint8Array {
    return encode([compress(this.e), compress(this.v), this.s])
  }

  /** H(CAPSULE_POINTS, E, V) */
  challenge(): Scalar {
    return hashToScalar('CAPSULE_POINTS', [this.e, this.v])
  }

  private holds(group: Group): boolean {
    const right = group.sum([this.v, group.multiply(this.e, this.challenge())])
    return samePoint(group.multiplyBase(this.s), right)
  }
}

/** A fresh key that only the holder of the secret of `policyKey`, or m re-encryptions toward a grantee, gives back. */
export function encapsulate(policyKey: PublicKey, group: Group = defaultGroup): { capsule: Capsule; key: Uint8Array } {
  const r = randomScalar()
  const u = randomScalar()
  const e = group.multiplyBase(r)
  const v = group.multiplyBase(u)
  const s = group.add(u, group.times(r, hashToScalar('CAPSULE_POINTS', [e, v])))
  const shared = group.multiply(policyKey.point, group.add(r, u))
  const key = keyOfPoint(shared)
  for (const secret of [r, u, shared]) secret.fill(0)
  return { capsule: Capsule.made(e, v, s), key }
}

/** The key of a capsule for the delegator: a·(E + V). */
export function decapsulateOriginal(secret: SecretKey, capsule: Capsule, group: Group = defaultGroup): Uint8Array {
  return keyOfPoint(group.multiply(group.sum([capsule.e, capsule.v]), secret.expose()))
}

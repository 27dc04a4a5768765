import { ConsentryError } from '../../errors.js'
import { defaultGroup } from './default-group.js'
import { compress, G, type Group, type Point, samePoint, type Scalar } from './group.js'
import { hashToScalar } from './hashing.js'
import { isScalar } from './scalar.js'
import { encode, WireReader } from './wire.js'

export interface CapsuleParts {
  /** E = rG */
  readonly e: Point
  /** V = uG */
  readonly v: Point
  /** s = u + r·H(CAPSULE_POINTS, E, V): whoever made E and V knew r and u. */
  readonly s: Scalar
}

/** For the files of this folder. */
export let capsuleParts: (capsule: Capsule) => CapsuleParts
/** For `encapsulate`, whose capsules hold by construction. */
export let capsuleOf: (parts: CapsuleParts) => Capsule

/** (E, V, s) with sG = V + H(CAPSULE_POINTS, E, V)·E. It exists only checked. */
export class Capsule {
  readonly #parts: CapsuleParts

  private constructor(parts: CapsuleParts) {
    this.#parts = parts
  }

  static {
    capsuleParts = (capsule) => capsule.#parts
    capsuleOf = (parts) => new Capsule(parts)
  }

  /** @param bytes 105 bytes, MessagePack `[E, V, s]`. @throws ConsentryError `malformed`, also when the check fails */
  static fromBytes(bytes: Uint8Array, group: Group = defaultGroup): Capsule {
    const reader = new WireReader(bytes, 'capsule')
    reader.list(3)
    const e = group.decompress(reader.bytes(33))
    const v = group.decompress(reader.bytes(33))
    const s = reader.bytes(32)
    reader.end()
    if (!isScalar(s)) throw reader.malformed()
    const claim = { z: s, h: capsuleChallenge({ e, v }), bases: [{ base: G, commitment: v, image: e }] }
    // With V = −E the check holds too, but there is no shared point: nobody makes such a capsule by chance.
    if (!group.claimsHold([claim]) || opposite(e, v)) {
      throw new ConsentryError('malformed', 'The capsule does not pass its check.')
    }
    return new Capsule({ e, v, s })
  }

  /** 105 bytes. */
  toBytes(): Uint8Array {
    const { e, v, s } = this.#parts
    return encode([compress(e), compress(v), s])
  }

  equals(other: Capsule): boolean {
    const [a, b] = [this.#parts, other.#parts]
    return samePoint(a.e, b.e) && samePoint(a.v, b.v) && Buffer.compare(a.s, b.s) === 0
  }
}

/** H(CAPSULE_POINTS, E, V) */
export function capsuleChallenge({ e, v }: Pick<CapsuleParts, 'e' | 'v'>): Scalar {
  return hashToScalar('CAPSULE_POINTS', [e, v])
}

function opposite(a: Point, b: Point): boolean {
  return Buffer.compare(a.subarray(1, 33), b.subarray(1, 33)) === 0 && !samePoint(a, b)
}

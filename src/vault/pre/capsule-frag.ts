import { ConsentryError } from '../../errors.js'
import type { Capsule } from './capsule.js'
import { defaultGroup } from './default-group.js'
import { compress, type Claim, type Group, type Point, type Scalar } from './group.js'
import { hashToScalar, isScalar } from './hashing.js'
import { signedText } from './key-frag.js'
import type { PublicKey } from './keys.js'
import { U } from './parameters.js'
import { decode, encode } from './wire.js'

/** What a proxy answers with: the re-encrypted capsule points and the proof that it used its fragment. */
export interface CapsuleFragParts {
  readonly e1: Point
  readonly v1: Point
  /** Of the key fragment. */
  readonly id: Uint8Array
  readonly precursor: Point
  readonly e2: Point
  readonly v2: Point
  readonly u1: Point
  readonly u2: Point
  readonly z: Scalar
  readonly signatureForReceiver: Uint8Array
}

/** Who a capsule fragment must be from and for. */
export interface CapsuleFragContext {
  readonly capsule: Capsule
  readonly verifyingKey: PublicKey
  readonly delegating: PublicKey
  readonly receiving: PublicKey
}

const SHAPE = [33, 33, 32, 33, [33, 33, 33, 33, 32, 64]] as const

/** A capsule fragment as it came: it opens nothing before `verify`. */
export class CapsuleFrag {
  private constructor(private readonly parts: CapsuleFragParts) {}

  /** @param bytes 381 bytes. @throws ConsentryError `malformed` */
  static fromBytes(bytes: Uint8Array, group: Group = defaultGroup): CapsuleFrag {
    const parts = decode(bytes, SHAPE, 'capsule fragment')
    const point = (i: number): Point => group.decompress(parts[i] as Uint8Array)
    const z = parts[8] as Uint8Array
    if (!isScalar(z)) throw new ConsentryError('malformed', 'The bytes are not a capsule fragment.')
    return new CapsuleFrag({
      e1: point(0),
      v1: point(1),
      id: parts[2] as Uint8Array,
      precursor: point(3),
      e2: point(4),
      v2: point(5),
      u1: point(6),
      u2: point(7),
      z,
      signatureForReceiver: parts[9] as Uint8Array,
    })
  }

  /**
   * The grantee's check: the patient's signer gave the fragment's commitment for this policy key and receiver, and
   * zE = e2 + h·e1, zV = v2 + h·v1, zU = u2 + h·u1.
   * @throws ConsentryError `invalid`
   */
  verify(context: CapsuleFragContext, group: Group = defaultGroup): VerifiedCapsuleFrag {
    const { capsule, verifyingKey, delegating, receiving } = context
    const { id, u1, precursor, signatureForReceiver } = this.parts
    const signed = signedText({ id, commitment: u1, precursor }, delegating, receiving)
    const genuine =
      verifyingKey.verify(signatureForReceiver, signed, group) && group.claimsHold([claimOf(capsule, this.parts)])
    if (!genuine) throw new ConsentryError('invalid', 'The capsule fragment is not a correct re-encryption.')
    return VerifiedCapsuleFrag.made(this.parts)
  }
}

/** A fragment that its maker or a check vouches for. */
export class VerifiedCapsuleFrag {
  private constructor(
    /** For the files of this folder. */
    readonly parts: CapsuleFragParts,
  ) {}

  static made(parts: CapsuleFragParts): VerifiedCapsuleFrag {
    return new VerifiedCapsuleFrag(parts)
  }

  toBytes(): Uint8Array {
    const { e1, v1, id, precursor, e2, v2, u1, u2, z, signatureForReceiver } = this.parts
    const proof = [compress(e2), compress(v2), compress(u1), compress(u2), z, signatureForReceiver]
    return encode([compress(e1), compress(v1), id, compress(precursor), proof])
  }
}

function claimOf({ e, v }: Capsule, { e1, v1, e2, v2, u1, u2, z }: CapsuleFragParts): Claim {
  return {
    z,
    h: proofChallenge({ e, v }, { e1, v1, e2, v2, u1, u2 }),
    bases: [
      { base: e, commitment: e2, image: e1 },
      { base: v, commitment: v2, image: v1 },
      { base: U, commitment: u2, image: u1 },
    ],
  }
}

/** h = H(CFRAG_VERIFICATION, E, e1, e2, V, v1, v2, U, u1, u2) */
export function proofChallenge(
  { e, v }: Pick<Capsule, 'e' | 'v'>,
  { e1, v1, e2, v2, u1, u2 }: Pick<CapsuleFragParts, 'e1' | 'v1' | 'e2' | 'v2' | 'u1' | 'u2'>,
): Scalar {
  return hashToScalar('CFRAG_VERIFICATION', [e, e1, e2, v, v1, v2, U, u1, u2])
}

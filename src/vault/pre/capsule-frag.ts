import { ConsentryError } from '../../errors.js'
import { type Capsule, type CapsuleParts, capsuleParts } from './capsule.js'
import { defaultGroup } from './default-group.js'
import { type Claim, compress, type Group, type Point, type Scalar } from './group.js'
import { hashToScalar } from './hashing.js'
import { signedText } from './key-frag.js'
import type { PublicKey } from './keys.js'
import { U } from './parameters.js'
import { isScalar } from './scalar.js'
import { encode, WireReader } from './wire.js'

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

/** For the files of this folder. */
export let capsuleFragParts: (frag: VerifiedCapsuleFrag) => CapsuleFragParts
/** For the files of this folder: the capsule that a fragment was made or checked for. */
export let capsuleOfFrag: (frag: VerifiedCapsuleFrag) => Capsule
/** For `reencrypt`, whose fragments hold by construction, and for checks of several fragments at once. */
export let capsuleFragOf: (parts: CapsuleFragParts, capsule: Capsule) => VerifiedCapsuleFrag
/** For the files of this folder. */
export let unverifiedParts: (frag: CapsuleFrag) => CapsuleFragParts

/** A capsule fragment as it came: it opens nothing before `verify`. */
export class CapsuleFrag {
  readonly #parts: CapsuleFragParts

  private constructor(parts: CapsuleFragParts) {
    this.#parts = parts
  }

  static {
    unverifiedParts = (frag) => frag.#parts
  }

  /** @param bytes 381 bytes. @throws ConsentryError `malformed` */
  static fromBytes(bytes: Uint8Array, group: Group = defaultGroup): CapsuleFrag {
    const reader = new WireReader(bytes, 'capsule fragment')
    const point = () => group.decompress(reader.bytes(33))
    reader.list(5)
    const [e1, v1] = [point(), point()]
    const id = reader.bytes(32)
    const precursor = point()
    reader.list(6)
    const [e2, v2, u1, u2] = [point(), point(), point(), point()]
    const z = reader.bytes(32)
    const signatureForReceiver = reader.bytes(64)
    reader.end()
    if (!isScalar(z)) throw reader.malformed()
    return new CapsuleFrag({ e1, v1, id, precursor, e2, v2, u1, u2, z, signatureForReceiver })
  }

  /**
   * The grantee's check: the patient's signer gave the fragment's commitment for this policy key and receiver, and
   * zE = e2 + h·e1, zV = v2 + h·v1, zU = u2 + h·u1.
   * @throws ConsentryError `invalid`
   */
  verify(context: CapsuleFragContext, group: Group = defaultGroup): VerifiedCapsuleFrag {
    if (!signatureHolds(this.#parts, context, group)) {
      throw new ConsentryError('invalid', 'The capsule fragment is not signed for this policy and receiver.')
    }
    if (!group.claimsHold([proofClaim(this.#parts, context.capsule)])) {
      throw new ConsentryError('invalid', 'The capsule fragment is not a correct re-encryption.')
    }
    return capsuleFragOf(this.#parts, context.capsule)
  }
}

/** A fragment that its maker or a check vouches for. */
export class VerifiedCapsuleFrag {
  readonly #parts: CapsuleFragParts
  readonly #capsule: Capsule

  private constructor(parts: CapsuleFragParts, capsule: Capsule) {
    this.#parts = parts
    this.#capsule = capsule
  }

  static {
    capsuleFragParts = (frag) => frag.#parts
    capsuleOfFrag = (frag) => frag.#capsule
    capsuleFragOf = (parts, capsule) => new VerifiedCapsuleFrag(parts, capsule)
  }

  /** 381 bytes. */
  toBytes(): Uint8Array {
    const { e1, v1, id, precursor, e2, v2, u1, u2, z, signatureForReceiver } = this.#parts
    const proof = [compress(e2), compress(v2), compress(u1), compress(u2), z, signatureForReceiver]
    return encode([compress(e1), compress(v1), id, compress(precursor), proof])
  }
}

/** Whether the patient's signer gave this fragment's commitment for this policy key and receiver. */
export function signatureHolds(parts: CapsuleFragParts, context: CapsuleFragContext, group: Group): boolean {
  const { id, u1, precursor, signatureForReceiver } = parts
  const signed = signedText({ id, commitment: u1, precursor }, context.delegating, context.receiving)
  return context.verifyingKey.verify(signatureForReceiver, signed, group)
}

/** That e1, v1 and u1 have one and the same logarithm to E, V and U. */
export function proofClaim(parts: CapsuleFragParts, capsule: Capsule): Claim {
  const { e, v } = capsuleParts(capsule)
  const { z, e1, v1, e2, v2, u1, u2 } = parts
  return {
    z,
    h: proofChallenge({ e, v }, parts),
    bases: [
      { base: e, commitment: e2, image: e1 },
      { base: v, commitment: v2, image: v1 },
      { base: U, commitment: u2, image: u1 },
    ],
  }
}

/** h = H(CFRAG_VERIFICATION, E, e1, e2, V, v1, v2, U, u1, u2) */
export function proofChallenge(
  { e, v }: Pick<CapsuleParts, 'e' | 'v'>,
  { e1, v1, e2, v2, u1, u2 }: Pick<CapsuleFragParts, 'e1' | 'v1' | 'e2' | 'v2' | 'u1' | 'u2'>,
): Scalar {
  return hashToScalar('CFRAG_VERIFICATION', [e, e1, e2, v, v1, v2, U, u1, u2])
}

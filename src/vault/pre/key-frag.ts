import { ConsentryError } from '../../errors.js'
import { defaultGroup } from './default-group.js'
import { compress, type Group, type Point, samePoint, type Scalar, unreachable } from './group.js'
import { hashToScalar } from './hashing.js'
import { pointOf, type PublicKey } from './keys.js'
import { U } from './parameters.js'
import { isScalar, wipe } from './scalar.js'
import { Secret } from './secret.js'
import { encode, WireReader } from './wire.js'

/** What a fragment is made of, UMBRAL, "Operations". */
export interface KeyFragParts {
  /** 32 random bytes. */
  readonly id: Uint8Array
  /** Secret: f(arg). */
  readonly rk: Scalar
  /** X, the precursor; equal in all fragments of one policy. */
  readonly precursor: Point
  /** u1 = rk·U */
  readonly commitment: Point
  readonly signatureForProxy: Uint8Array
  readonly signatureForReceiver: Uint8Array
  /** Whether the signature for the proxy is over the delegating key, and over the receiving key. */
  readonly delegatingSigned: boolean
  readonly receivingSigned: boolean
}

/** For the files of this folder. */
export let keyFragParts: (frag: VerifiedKeyFrag) => KeyFragParts
/** For `generateKeyFrags`, whose fragments hold by construction. */
export let keyFragOf: (parts: KeyFragParts) => VerifiedKeyFrag

/** A key fragment as it came: it re-encrypts nothing before `verify`. */
export class KeyFrag extends Secret {
  readonly #parts: KeyFragParts

  private constructor(parts: KeyFragParts) {
    super()
    this.#parts = parts
  }

  /** @param bytes 310 bytes. @throws ConsentryError `malformed` */
  static fromBytes(bytes: Uint8Array, group: Group = defaultGroup): KeyFrag {
    const reader = new WireReader(bytes, 'key fragment')
    reader.list(5)
    reader.list(1)
    const u = reader.bytes(33)
    const id = reader.bytes(32)
    const rk = reader.bytes(32)
    const precursor = group.decompress(reader.bytes(33))
    reader.list(5)
    const commitment = group.decompress(reader.bytes(33))
    const [signatureForProxy, signatureForReceiver] = [reader.bytes(64), reader.bytes(64)]
    const [delegatingSigned, receivingSigned] = [reader.flag(), reader.flag()]
    reader.end()
    if (!isScalar(rk) || Buffer.compare(u, compress(U)) !== 0) throw reader.malformed()
    const signed = { signatureForProxy, signatureForReceiver, delegatingSigned, receivingSigned }
    return new KeyFrag({ id, rk, precursor, commitment, ...signed })
  }

  /**
   * The proxy's check: u1 = rk·U, and the patient's signer signed it for the keys given. Every key that is given must
   * be under a signature; with both at hand (always, in Consentry) the receiver's signature is checked as well, so
   * that a proxy does not store a fragment whose re-encryptions the receiver would refuse.
   * @throws ConsentryError `invalid`
   */
  verify(
    verifyingKey: PublicKey,
    delegating?: PublicKey,
    receiving?: PublicKey,
    group: Group = defaultGroup,
  ): VerifiedKeyFrag {
    const { rk, commitment, signatureForProxy, signatureForReceiver, delegatingSigned, receivingSigned } = this.#parts
    const both = delegating !== undefined && receiving !== undefined
    if ((delegatingSigned && !delegating) || (receivingSigned && !receiving)) {
      throw new ConsentryError('invalid', 'The key fragment is signed for a delegating or receiving key not given.')
    }
    const signed = signedText(this.#parts, delegatingSigned ? delegating : null, receivingSigned ? receiving : null)
    const full = both ? signedText(this.#parts, delegating, receiving) : null
    // With both keys signed, RFC 6979 makes the two signatures one: no need to check it twice.
    const same = full !== null && sameBytes(full, signed) && sameBytes(signatureForProxy, signatureForReceiver)
    const genuine =
      (both || ((delegatingSigned || !delegating) && (receivingSigned || !receiving))) &&
      samePoint(group.multiplyU(rk), commitment) &&
      verifyingKey.verify(signatureForProxy, signed, group) &&
      (full === null || same || verifyingKey.verify(signatureForReceiver, full, group))
    if (!genuine) {
      throw new ConsentryError('invalid', 'The key fragment was not made by this signer for this policy and receiver.')
    }
    return keyFragOf(this.#parts)
  }

  /** Overwrites the secret, which the verified fragment shares. */
  override destroy(): void {
    wipe(this.#parts.rk)
  }
}

/** A fragment that its maker or a check vouches for. */
export class VerifiedKeyFrag extends Secret {
  readonly #parts: KeyFragParts

  private constructor(parts: KeyFragParts) {
    super()
    this.#parts = parts
  }

  static {
    keyFragOf = (parts) => new VerifiedKeyFrag(parts)
    keyFragParts = (frag) => {
      if (!isScalar(frag.#parts.rk)) throw unreachable('A destroyed key fragment was used.')
      return frag.#parts
    }
  }

  /** 310 bytes, secret. */
  toBytes(): Uint8Array {
    const { id, rk, precursor, commitment, ...signed } = keyFragParts(this)
    const { signatureForProxy, signatureForReceiver, delegatingSigned, receivingSigned } = signed
    const proof = [compress(commitment), signatureForProxy, signatureForReceiver, delegatingSigned, receivingSigned]
    return encode([[compress(U)], id, rk, compress(precursor), proof])
  }

  override destroy(): void {
    wipe(this.#parts.rk)
  }
}

/** id ‖ u1 ‖ X, then 01 ‖ A and 01 ‖ B; 00 for a key that is left out. */
export function signedText(
  { id, commitment, precursor }: Pick<KeyFragParts, 'id' | 'commitment' | 'precursor'>,
  delegating: PublicKey | null | undefined,
  receiving: PublicKey | null | undefined,
): Uint8Array {
  const key = (key: PublicKey | null | undefined) =>
    key ? [Uint8Array.of(1), compress(pointOf(key))] : [Uint8Array.of(0)]
  return Buffer.concat([id, compress(commitment), compress(precursor), ...key(delegating), ...key(receiving)])
}

/** d = H(SHARED_SECRET, X, B, dh) */
export function sharedSecret(precursor: Point, receiving: Point, dh: Point): Scalar {
  return hashToScalar('SHARED_SECRET', [precursor, receiving, dh])
}

/** arg = H(POLYNOMIAL_ARG, X, B, dh, id) */
export function polynomialArgument(precursor: Point, receiving: Point, dh: Point, id: Uint8Array): Scalar {
  return hashToScalar('POLYNOMIAL_ARG', [precursor, receiving, dh], id)
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { ConsentryError } from '../../errors.js'
import { defaultGroup } from './default-group.js'
import { compress, type Group, type Point, samePoint, type Scalar } from './group.js'
import { hashToScalar, inverse, isScalar, randomScalar } from './hashing.js'
import type { PublicKey, SecretKey, Signer } from './keys.js'
import { U } from './parameters.js'
import { decode, encode } from './wire.js'

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
}

const SHAPE = [[33], 32, 32, 33, [33, 64, 64, true, true]] as const

/** A key fragment as it came: it re-encrypts nothing before `verify`. */
export class KeyFrag {
  private constructor(private readonly parts: KeyFragParts) {}

  /** @param bytes 310 bytes. @throws ConsentryError `malformed` */
  static fromBytes(bytes: Uint8Array, group: Group = defaultGroup): KeyFrag {
    const [u, id, rk, x, u1, forProxy, forReceiver] = decode(bytes, SHAPE, 'key fragment') as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ]
    if (!isScalar(rk) || Buffer.compare(u, compress(U)) !== 0) {
      throw new ConsentryError('malformed', 'The bytes are not a key fragment under the parameters of Umbral.')
    }
    return new KeyFrag({
      id,
      rk,
      precursor: group.decompress(x),
      commitment: group.decompress(u1),
      signatureForProxy: forProxy,
      signatureForReceiver: forReceiver,
    })
  }

  /**
   * The proxy's check: u1 = rk·U, and the patient's signer gave it for this policy key and this receiver.
   * @throws ConsentryError `invalid`
   */
  verify(
    verifyingKey: PublicKey,
    delegating: PublicKey,
    receiving: PublicKey,
    group: Group = defaultGroup,
  ): VerifiedKeyFrag {
    const { rk, commitment, signatureForProxy } = this.parts
    const signed = signedText(this.parts, delegating, receiving)
    if (!samePoint(group.multiplyU(rk), commitment) || !verifyingKey.verify(signatureForProxy, signed, group)) {
      throw new ConsentryError('invalid', 'The key fragment was not made by this signer for this policy and receiver.')
    }
    return VerifiedKeyFrag.made(this.parts)
  }

  toString(): string {
    return 'KeyFrag'
  }

  toJSON(): string {
    return 'KeyFrag'
  }

  [inspect.custom](): string {
    return 'KeyFrag'
  }
}

/** A fragment that its maker or a check vouches for. Secret; it does not print itself. */
export class VerifiedKeyFrag {
  readonly #parts: KeyFragParts

  private constructor(parts: KeyFragParts) {
    this.#parts = parts
  }

  static made(parts: KeyFragParts): VerifiedKeyFrag {
    return new VerifiedKeyFrag(parts)
  }

  /** For the files of this folder. */
  expose(): KeyFragParts {
    return this.#parts
  }

  /** 310 bytes, secret. */
  toBytes(): Uint8Array {
    const { id, rk, precursor, commitment, signatureForProxy, signatureForReceiver } = this.#parts
    const proof = [compress(commitment), signatureForProxy, signatureForReceiver, true, true] as const
    return encode([[compress(U)], id, rk, compress(precursor), proof])
  }

  /** Overwrites the secret; the fragment cannot be used afterwards. */
  destroy(): void {
    this.#parts.rk.fill(0)
  }

  toString(): string {
    return 'VerifiedKeyFrag'
  }

  toJSON(): string {
    return 'VerifiedKeyFrag'
  }

  [inspect.custom](): string {
    return 'VerifiedKeyFrag'
  }
}

export interface KeyFragOptions {
  readonly delegating: SecretKey
  readonly receiving: PublicKey
  readonly signer: Signer
  /** m, from 1 to n. */
  readonly threshold: number
  /** n, at most 255. */
  readonly shares: number
}

/** Splits the re-encryption key toward `receiving` into n fragments, any m of which re-encrypt. */
export function generateKeyFrags(options: KeyFragOptions, group: Group = defaultGroup): VerifiedKeyFrag[] {
  const { delegating, receiving, signer, threshold, shares } = options
  if (
    !Number.isInteger(threshold) ||
    !Number.isInteger(shares) ||
    threshold < 1 ||
    shares < threshold ||
    shares > 255
  ) {
    throw new ConsentryError('internal', `A threshold of ${threshold} of ${shares} fragments is not possible.`)
  }
  const x = randomScalar()
  const precursor = group.multiplyBase(x)
  const dh = group.multiply(receiving.point, x)
  const d = sharedSecret(precursor, receiving.point, dh)
  const coefficients = [group.times(delegating.expose(), inverse(group, d))]
  while (coefficients.length < threshold) coefficients.push(randomScalar())
  const frags = Array.from({ length: shares }, () => {
    const id = new Uint8Array(randomBytes(32))
    const rk = evaluate(group, coefficients, polynomialArgument(precursor, receiving.point, dh, id))
    const commitment = group.multiplyU(rk)
    const text = signedText({ id, commitment, precursor }, delegating.publicKey, receiving)
    const signatureForProxy = signer.sign(text, group)
    const signatureForReceiver = signer.sign(text, group)
    return VerifiedKeyFrag.made({ id, rk, precursor, commitment, signatureForProxy, signatureForReceiver })
  })
  for (const secret of [x, dh, d, ...coefficients]) secret.fill(0)
  return frags
}

/** d = H(SHARED_SECRET, X, B, dh) */
export function sharedSecret(precursor: Point, receiving: Point, dh: Point): Scalar {
  return hashToScalar('SHARED_SECRET', [precursor, receiving, dh])
}

/** arg = H(POLYNOMIAL_ARG, X, B, dh, id) */
export function polynomialArgument(precursor: Point, receiving: Point, dh: Point, id: Uint8Array): Scalar {
  return hashToScalar('POLYNOMIAL_ARG', [precursor, receiving, dh], id)
}

/** id ‖ u1 ‖ X ‖ 01 ‖ A ‖ 01 ‖ B */
export function signedText(
  { id, commitment, precursor }: Pick<KeyFragParts, 'id' | 'commitment' | 'precursor'>,
  delegating: PublicKey,
  receiving: PublicKey,
): Uint8Array {
  const present = Uint8Array.of(1)
  return Buffer.concat([
    id,
    compress(commitment),
    compress(precursor),
    present,
    delegating.toBytes(),
    present,
    receiving.toBytes(),
  ])
}

/** f(x) by Horner's rule, coefficient 0 first; an array of its own, since the coefficients are overwritten. */
function evaluate(group: Group, coefficients: readonly Scalar[], x: Scalar): Scalar {
  return coefficients.reduceRight<Scalar | null>(
    (sum, coefficient) =>
      sum === null ? (coefficient.slice() as Scalar) : group.add(group.times(sum, x), coefficient),
    null,
  ) as Scalar
}

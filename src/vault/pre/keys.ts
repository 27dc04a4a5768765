import { ConsentryError } from '../../errors.js'
import { defaultGroup } from './default-group.js'
import { compress, type Group, type Point, samePoint, type Scalar, unreachable } from './group.js'
import { sha256 } from './hashing.js'
import { isScalar, randomScalar, wipe } from './scalar.js'
import { Secret } from './secret.js'

/** For the files of this folder. */
export let pointOf: (key: PublicKey) => Point
/** For the files of this folder: the scalar itself, not a copy. */
export let scalarOf: (key: SecretKey) => Scalar
let publicKeyOf: (point: Point) => PublicKey

/** A point of the group as somebody's public key; policy keys are public keys. */
export class PublicKey {
  readonly #point: Point

  private constructor(point: Point) {
    this.#point = point
  }

  static {
    pointOf = (key) => key.#point
    publicKeyOf = (point) => new PublicKey(point)
  }

  /** @param bytes 33 bytes, SEC1 compressed. @throws ConsentryError `malformed` */
  static fromBytes(bytes: Uint8Array, group: Group = defaultGroup): PublicKey {
    return new PublicKey(group.decompress(bytes))
  }

  /** 33 bytes, SEC1 compressed. */
  toBytes(): Uint8Array {
    return compress(this.#point)
  }

  equals(other: PublicKey): boolean {
    return samePoint(this.#point, other.#point)
  }

  /** ECDSA over SHA-256 of the message, compact 64 bytes; high s is accepted, a malformed signature is `false`. */
  verify(signature: Uint8Array, message: Uint8Array, group: Group = defaultGroup): boolean {
    return group.verify(signature, sha256(message), this.#point)
  }

  toString(): string {
    return Buffer.from(this.toBytes()).toString('hex')
  }

  toJSON(): string {
    return this.toString()
  }
}

/** A secret scalar with its public key. */
export class SecretKey extends Secret {
  readonly #scalar: Scalar
  readonly publicKey: PublicKey

  private constructor(scalar: Scalar, group: Group) {
    super()
    this.#scalar = scalar
    this.publicKey = publicKeyOf(group.multiplyBase(scalar))
  }

  static {
    scalarOf = (key) => {
      if (!isScalar(key.#scalar)) throw unreachable('A destroyed secret key was used.')
      return key.#scalar
    }
  }

  static random(group: Group = defaultGroup): SecretKey {
    return new SecretKey(randomScalar(), group)
  }

  /** @param bytes 32 bytes big-endian in [1, n−1], copied. @throws ConsentryError `malformed` */
  static fromScalar(bytes: Uint8Array, group: Group = defaultGroup): SecretKey {
    const copy = new Uint8Array(bytes)
    if (!isScalar(copy)) throw new ConsentryError('malformed', 'Expected a scalar of secp256k1, 32 bytes, not zero.')
    return new SecretKey(copy, group)
  }

  /** A copy of the scalar, 32 bytes, for wrapping under another key. Overwrite it after use; do not print or send it. */
  expose(): Uint8Array {
    return new Uint8Array(scalarOf(this))
  }

  /** ECDSA over SHA-256 of the message, RFC 6979, low s, compact 64 bytes. */
  sign(message: Uint8Array, group: Group = defaultGroup): Uint8Array {
    return group.sign(sha256(message), scalarOf(this))
  }

  /** For protocols that hash otherwise: ECDSA over a 32-byte digest, as `sign`, and a byte more, 0 to 3, by which the key follows from it. */
  signDigest(digest: Uint8Array, group: Group = defaultGroup): Uint8Array {
    return group.signRecoverably(digest, scalarOf(this))
  }

  override destroy(): void {
    wipe(this.#scalar)
  }
}

/** Whoever signs key fragments: the patient's signing key. */
export type Signer = SecretKey

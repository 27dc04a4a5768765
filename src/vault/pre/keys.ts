import { createHash } from 'node:crypto'
import { inspect } from 'node:util'
import { ConsentryError } from '../../errors.js'
import { defaultGroup } from './default-group.js'
import { compress, type Group, type Point, samePoint, type Scalar } from './group.js'
import { isScalar, randomScalar } from './hashing.js'

/** A point of the group as somebody's public key; policy keys are public keys. */
export class PublicKey {
  private constructor(
    /** For the files of this folder. */
    readonly point: Point,
  ) {}

  /** @param bytes 33 bytes, SEC1 compressed. @throws ConsentryError `malformed` */
  static fromBytes(bytes: Uint8Array, group: Group = defaultGroup): PublicKey {
    return new PublicKey(group.decompress(bytes))
  }

  static ofPoint(point: Point): PublicKey {
    return new PublicKey(point)
  }

  toBytes(): Uint8Array {
    return compress(this.point)
  }

  equals(other: PublicKey): boolean {
    return samePoint(this.point, other.point)
  }

  /** ECDSA over SHA-256 of the message, compact 64 bytes; high s is accepted. */
  verify(signature: Uint8Array, message: Uint8Array, group: Group = defaultGroup): boolean {
    return group.verify(signature, createHash('sha256').update(message).digest(), this.point)
  }
}

/** A secret scalar. It shows itself to nobody: printing, inspecting and JSON give the word `SecretKey`. */
export class SecretKey {
  readonly #scalar: Scalar
  readonly publicKey: PublicKey

  private constructor(scalar: Scalar, group: Group) {
    this.#scalar = scalar
    this.publicKey = PublicKey.ofPoint(group.multiplyBase(scalar))
  }

  static random(group: Group = defaultGroup): SecretKey {
    return new SecretKey(randomScalar(), group)
  }

  /** @param bytes 32 bytes big-endian in [1, n−1], copied. @throws ConsentryError `malformed` */
  static fromScalar(bytes: Uint8Array, group: Group = defaultGroup): SecretKey {
    const copy = bytes.slice()
    if (!isScalar(copy)) throw new ConsentryError('malformed', 'Expected a scalar of secp256k1, 32 bytes, not zero.')
    return new SecretKey(copy, group)
  }

  /** The scalar itself, for the files of this folder and for wrapping. Do not keep, print or send it. */
  expose(): Scalar {
    return this.#scalar
  }

  /** ECDSA over SHA-256 of the message, RFC 6979, compact 64 bytes. */
  sign(message: Uint8Array, group: Group = defaultGroup): Uint8Array {
    return group.sign(createHash('sha256').update(message).digest(), this.#scalar)
  }

  /** Overwrites the scalar; the key cannot be used afterwards. */
  destroy(): void {
    this.#scalar.fill(0)
  }

  toString(): string {
    return 'SecretKey'
  }

  toJSON(): string {
    return 'SecretKey'
  }

  [inspect.custom](): string {
    return 'SecretKey'
  }
}

/** Whoever signs key fragments: the patient's signing key. */
export type Signer = SecretKey

import { assertArgument, type BytesLike, dataLength, getBytes, hexlify, Signature, SigningKey, Wallet } from 'ethers'

/** A secret key of secp256k1 that can do what a wallet needs by itself. */
export interface WalletKey {
  /** 33 bytes, SEC1 compressed. */
  readonly publicKey: { toBytes(): Uint8Array }
  /** 32 bytes. */
  expose(): Uint8Array
  /** ECDSA over 32 bytes, low s: r ‖ s ‖ recovery, 65 bytes. */
  signDigest(digest: Uint8Array): Uint8Array
}

/**
 * An ethers Wallet that leaves the curve to the key. Ethers has a curve of its own in JavaScript, whose tables alone take a fifth
 * of a second in each process.
 */
export function walletOf(key: WalletKey): Wallet {
  return new Wallet(new OwnSigningKey(key))
}

class OwnSigningKey extends SigningKey {
  readonly #key: WalletKey

  constructor(key: WalletKey) {
    super(key.expose())
    this.#key = key
  }

  override get publicKey(): string {
    return SigningKey.computePublicKey(this.compressedPublicKey, false)
  }

  override get compressedPublicKey(): string {
    return hexlify(this.#key.publicKey.toBytes())
  }

  override sign(digest: BytesLike): Signature {
    assertArgument(dataLength(digest) === 32, 'invalid digest length', 'digest', digest)
    const signed = this.#key.signDigest(getBytes(digest))
    const v = signed[64] === 0 ? 27 : 28
    return Signature.from({ r: hexlify(signed.subarray(0, 32)), s: hexlify(signed.subarray(32, 64)), v })
  }
}

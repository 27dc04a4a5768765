import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

/** Lengths are filled up to multiples of it. */
const FILLED = 64
const NONCE = 12
const TAG = 16

/**
 * Short texts that the database keeps for the gateway alone: nonce ‖ AES-256-GCM ‖ tag, bound to the token that they are about. They end in something other
 * than a blank.
 */
export class SealedTexts {
  /** @param key 32 bytes */
  constructor(private readonly key: Uint8Array) {}

  seal(about: bigint, text: string): Buffer {
    const nonce = randomBytes(NONCE)
    const cipher = createCipheriv('aes-256-gcm', this.key, nonce, { authTagLength: TAG }).setAAD(bytesOf(about))
    const bytes = Buffer.from(text)
    const filled = Buffer.alloc(Math.ceil(bytes.length / FILLED) * FILLED, ' ')
    bytes.copy(filled)
    return Buffer.concat([nonce, cipher.update(filled), cipher.final(), cipher.getAuthTag()])
  }

  /** @throws Error for what was not sealed about this token under this key */
  open(about: bigint, sealed: Uint8Array): string {
    const decipher = createDecipheriv('aes-256-gcm', this.key, sealed.subarray(0, NONCE), { authTagLength: TAG })
      .setAAD(bytesOf(about))
      .setAuthTag(sealed.subarray(-TAG))
    return Buffer.concat([decipher.update(sealed.subarray(NONCE, -TAG)), decipher.final()])
      .toString()
      .trimEnd()
  }
}

function bytesOf(token: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(token)
  return bytes
}

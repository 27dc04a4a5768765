import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { ConsentryError } from '../errors.js'
import { DICTIONARY_1 } from './dictionary/dictionary-1.js'

/**
 * Dictionaries by id; an id is written into every envelope, so what it stands for never changes. A new dictionary is a new
 * id, and old ones stay readable.
 */
const DICTIONARIES: Readonly<Record<number, Uint8Array>> = { 1: Buffer.from(DICTIONARY_1) }

export const CURRENT_DICTIONARY = 1

/** Largest body that is unpacked: a small envelope must not fill the memory. */
const MAX_BODY = 64 * 1024 * 1024

export function compress(bytes: Uint8Array): Uint8Array {
  return zstdCompressSync(bytes, {
    dictionary: DICTIONARIES[CURRENT_DICTIONARY] as Uint8Array,
    params: { [constants.ZSTD_c_compressionLevel]: 1 },
  })
}

/** @throws ConsentryError `integrity` for an unknown dictionary or bytes that are not Zstandard (RFC 8878) */
export function decompress(bytes: Uint8Array, dictionary: number): Uint8Array {
  const known = DICTIONARIES[dictionary]
  if (known === undefined)
    throw new ConsentryError('integrity', `The envelope names dictionary ${dictionary}, unknown here.`)
  try {
    return zstdDecompressSync(bytes, { dictionary: known, maxOutputLength: MAX_BODY })
  } catch (cause) {
    throw new ConsentryError('integrity', 'The opened bytes do not decompress.', { cause })
  }
}

import { constants, zstdDecompressSync } from 'node:zlib'
import { ConsentryError } from '../errors.js'
import { DICTIONARY_1 } from './dictionary/dictionary-1.js'
import { keptContext, type Pack } from './zstd-context.js'

/**
 * Dictionaries by id; an id is written into every envelope, so what it stands for never changes. A new dictionary is a
 * new id, and old ones stay readable. 0: none.
 */
const DICTIONARIES: ReadonlyMap<number, Uint8Array | undefined> = new Map([
  [0, undefined],
  [1, DICTIONARY_1],
])

export const CURRENT_DICTIONARY = 1

/** Zstandard's own default: on resources of 1 to 5 kB faster levels are hardly faster and leave more. */
const LEVEL = 3

const OUTPUT = 128 * 1024

const packers = new Map<number, Pack>()

/** Zstandard (RFC 8878). */
export function compress(bytes: Uint8Array, dictionary = CURRENT_DICTIONARY): Uint8Array {
  const known = packers.get(dictionary)
  if (known !== undefined) return known(bytes)
  const params = { [constants.ZSTD_c_compressionLevel]: LEVEL }
  const packer = keptContext({ ...withDictionary(dictionary), params })
  packers.set(dictionary, packer)
  return packer(bytes)
}

/**
 * @param limit bytes that are unpacked at most: a small envelope must not fill the memory
 * @throws ConsentryError `integrity` for an unknown dictionary or bytes that are not Zstandard
 */
export function decompress(bytes: Uint8Array, dictionary: number, limit: number): Uint8Array {
  const options = withDictionary(dictionary)
  try {
    return zstdDecompressSync(bytes, {
      ...options,
      maxOutputLength: limit,
      chunkSize: Math.min(OUTPUT, 16 * bytes.length + 1024),
    })
  } catch (cause) {
    throw new ConsentryError('integrity', 'The opened bytes do not decompress.', { cause })
  }
}

function withDictionary(id: number): { dictionary?: Uint8Array } {
  if (!DICTIONARIES.has(id)) {
    throw new ConsentryError('integrity', `The envelope names dictionary ${id}, which this version does not have.`)
  }
  const dictionary = DICTIONARIES.get(id)
  return dictionary === undefined ? {} : { dictionary }
}

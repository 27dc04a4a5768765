import { hash } from 'node:crypto'
import { merkleTree, proofLength, rootReached } from './merkle.js'
import { u32 } from './payload.js'

/** Envelopes under one signature: the path of each is then four hashes at most. */
export const MAX_SIGNED_TOGETHER = 16

const SIG_BYTES = 64
const HASH_BYTES = 32
/** dag-cbor of arrays of two and of three. */
const ALONE = 0x82
const TOGETHER = 0x83
/** dag-cbor of 64 bytes, and of 72. */
const ALONE_TAIL = Uint8Array.of(0x58, SIG_BYTES)
const TOGETHER_TAIL = Uint8Array.of(0x58, SIG_BYTES + 8)
const ALONE_DOMAIN = Buffer.from('consentry envelope 1')
const TOGETHER_DOMAIN = Buffer.from('consentry envelopes 1')

/** The author's signature of an envelope, as its block has it. */
export interface EnvelopeSignature {
  /** The bytes that `sig` is over. */
  readonly signed: Uint8Array
  /** 64 bytes, ECDSA over SHA-256, compact. */
  readonly sig: Uint8Array
  /** Other envelopes have the same. */
  readonly together: boolean
}

/**
 * Signs envelopes, some together: a signature takes as long as all the rest of sealing a small record.
 *
 * - alone: `82 ‖ map ‖ 58 40 ‖ sig`, over `consentry envelope 1` ‖ map;
 * - together: `83 ‖ map ‖ path ‖ 58 48 ‖ sig ‖ u32be place ‖ u32be size`, over `consentry envelopes 1` ‖ u32be size ‖ root of the tree of RFC
 *   9162 whose leaves are SHA-256(`00` ‖ map); `path` is a byte string of the siblings from the leaf upwards.
 *
 * Both are dag-cbor, and the map stands in them as it is: nobody who verifies needs to encode.
 *
 * @param maps dag-cbor
 * @returns blocks, in the order of the maps
 */
export function signEnvelopes(maps: readonly Uint8Array[], sign: (message: Uint8Array) => Uint8Array): Uint8Array[] {
  const blocks: Uint8Array[] = []
  for (let from = 0; from < maps.length; from += MAX_SIGNED_TOGETHER) {
    const group = maps.slice(from, from + MAX_SIGNED_TOGETHER)
    blocks.push(...(group.length === 1 ? [signedAlone(group[0] as Uint8Array, sign)] : signedTogether(group, sign)))
  }
  return blocks
}

function signedAlone(map: Uint8Array, sign: (message: Uint8Array) => Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(ALONE), map, ALONE_TAIL, sign(Buffer.concat([ALONE_DOMAIN, map]))])
}

function signedTogether(maps: readonly Uint8Array[], sign: (message: Uint8Array) => Uint8Array): Uint8Array[] {
  const { root, proofs } = merkleTree(maps.map(leafOf))
  const size = u32(maps.length)
  const sig = sign(Buffer.concat([TOGETHER_DOMAIN, size, root]))
  return maps.map((map, place) => {
    const path = proofs[place] as Uint8Array[]
    return Buffer.concat([
      Uint8Array.of(TOGETHER),
      map,
      pathHead(path.length),
      ...path,
      TOGETHER_TAIL,
      sig,
      u32(place),
      size,
    ])
  })
}

/** @returns the map of an envelope and its signature, unverified; `null` for any other block */
export function readSigned(block: Uint8Array): (EnvelopeSignature & { readonly map: Uint8Array }) | null {
  if (block[0] === ALONE) return readAlone(block)
  return block[0] === TOGETHER ? readTogether(block) : null
}

function readAlone(block: Uint8Array): ReturnType<typeof readSigned> {
  const end = block.length - ALONE_TAIL.length - SIG_BYTES
  if (end <= 1 || !startsWith(block.subarray(end), ALONE_TAIL)) return null
  const map = block.subarray(1, end)
  const sig = block.subarray(end + ALONE_TAIL.length)
  return { map, sig, signed: Buffer.concat([ALONE_DOMAIN, map]), together: false }
}

function readTogether(block: Uint8Array): ReturnType<typeof readSigned> {
  const tail = block.length - TOGETHER_TAIL.length - SIG_BYTES - 8
  if (tail <= 1 || !startsWith(block.subarray(tail), TOGETHER_TAIL)) return null
  const numbers = Buffer.from(block.buffer, block.byteOffset + block.length - 8, 8)
  const [place, size] = [numbers.readUInt32BE(0), numbers.readUInt32BE(4)]
  if (size < 2 || size > MAX_SIGNED_TOGETHER || place >= size) return null
  const siblings = proofLength(size, place)
  const path = tail - siblings * HASH_BYTES
  const head = pathHead(siblings)
  const end = path - head.length
  if (end <= 1 || !startsWith(block.subarray(end), head)) return null
  const map = block.subarray(1, end)
  const proof = Array.from({ length: siblings }, (_, i) =>
    block.subarray(path + i * HASH_BYTES, path + (i + 1) * HASH_BYTES),
  )
  const root = rootReached(size, place, leafOf(map), proof)
  if (root === null) return null
  const sig = block.subarray(tail + TOGETHER_TAIL.length, block.length - 8)
  return { map, sig, signed: Buffer.concat([TOGETHER_DOMAIN, u32(size), root]), together: true }
}

function leafOf(map: Uint8Array): Uint8Array {
  return hash('sha256', Buffer.concat([LEAF, map]), 'buffer')
}

const LEAF = Uint8Array.of(0)

/** dag-cbor's head of a byte string of so many hashes, one at least and seven at most. */
function pathHead(siblings: number): Uint8Array {
  return Uint8Array.of(0x58, siblings * HASH_BYTES)
}

function startsWith(bytes: Uint8Array, beginning: Uint8Array): boolean {
  return beginning.every((byte, i) => bytes[i] === byte)
}

import { ConsentryError } from '../errors.js'

/** Below this everything looks alike. */
export const SMALLEST = 256
const LENGTH_BYTES = 4

/**
 * Padmé (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", PETS 2019,
 * section 4): a length keeps as many significant bits as its exponent needs, so a size of L tells O(log log L) bits and
 * costs at most 12 percent.
 * @param length bytes, an integer below 2³²
 */
export function padmeLength(length: number): number {
  if (length < 2) return length
  const exponent = floorLog2(length)
  const step = 2 ** (exponent - (floorLog2(exponent) + 1))
  return step <= 1 ? length : Math.ceil(length / step) * step
}

function floorLog2(n: number): number {
  return n === 0 ? -1 : 31 - Math.clz32(n)
}

/** u32be length ‖ bytes ‖ zeros, to a Padmé length of 256 bytes or more. */
export function pad(bytes: Uint8Array): Uint8Array {
  const padded = Buffer.alloc(Math.max(SMALLEST, padmeLength(bytes.length + LENGTH_BYTES)))
  padded.writeUInt32BE(bytes.length)
  padded.set(bytes, LENGTH_BYTES)
  return padded
}

/** @returns a view. @throws ConsentryError `integrity` */
export function unpad(padded: Uint8Array): Uint8Array {
  const view = Buffer.from(padded.buffer, padded.byteOffset, padded.length)
  const length = view.length < LENGTH_BYTES ? Infinity : view.readUInt32BE()
  if (length > view.length - LENGTH_BYTES) throw new ConsentryError('integrity', 'Padded bytes have no valid length.')
  return padded.subarray(LENGTH_BYTES, LENGTH_BYTES + length)
}

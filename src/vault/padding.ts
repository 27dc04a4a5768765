import { ConsentryError } from '../errors.js'

/**
 * Padmé (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", PETS 2019,
 * section 4): a length keeps as many significant bits as its exponent needs, so a size of L tells O(log log L) bits and
 * costs at most 12 percent.
 */
export function padmeLength(length: number): number {
  if (length < 2) return length
  const exponent = Math.floor(Math.log2(length))
  const bits = Math.floor(Math.log2(exponent)) + 1
  const step = 2 ** Math.max(0, exponent - bits)
  return Math.ceil(length / step) * step
}

const LENGTH_BYTES = 4

/** u32be length ‖ bytes ‖ zeros, to a Padmé length. */
export function pad(bytes: Uint8Array): Uint8Array {
  const padded = Buffer.alloc(padmeLength(bytes.length + LENGTH_BYTES))
  padded.writeUInt32BE(bytes.length)
  padded.set(bytes, LENGTH_BYTES)
  return padded
}

/** @throws ConsentryError `integrity` */
export function unpad(padded: Uint8Array): Uint8Array {
  const view = Buffer.from(padded.buffer, padded.byteOffset, padded.length)
  const length = view.length < LENGTH_BYTES ? Infinity : view.readUInt32BE()
  if (length > view.length - LENGTH_BYTES) throw new ConsentryError('integrity', 'Padded bytes have no valid length.')
  return padded.subarray(LENGTH_BYTES, LENGTH_BYTES + length)
}

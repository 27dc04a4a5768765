import { keccak256 } from 'ethers'
import type { Hex } from './hex.js'

/**
 * Whether a block may hold a log of one of the addresses, by the header's 2048-bit bloom filter
 * (Yellow Paper section 4.4.3, M3:2048: three bits, each the low 11 bits of a pair of bytes of the Keccak-256).
 * Never wrong when it says no; a block that says yes and shows no log is asked again by its hash.
 */
export class AddressBloom {
  readonly #bits: readonly (readonly number[])[]

  constructor(addresses: readonly Hex[]) {
    this.#bits = addresses.map((address) => {
      const digest = Buffer.from(keccak256(address).slice(2), 'hex')
      return [0, 2, 4].map((at) => digest.readUInt16BE(at) & 2047)
    })
  }

  mayHold(logsBloom: Hex): boolean {
    const bloom = Buffer.from(logsBloom.slice(2), 'hex')
    if (bloom.length !== 256) return true
    return this.#bits.some((bits) => bits.every((bit) => ((bloom[255 - (bit >> 3)] ?? 0) >> (bit & 7)) & 1))
  }
}

import { decodeRlp, encodeRlp, keccak256 } from 'ethers'
import { ConsentryError } from '../errors.js'
import type { BlockRef } from './chain.js'
import { bigQuantity, type Hex } from './hex.js'

/** What whoever trusts a block's hash knows of the block. */
export interface TrustedHeader extends BlockRef {
  readonly stateRoot: Hex
}

type Encoding = 'bytes' | 'quantity'

/**
 * Fields of a header in their order, with the names of JSON-RPC: Yellow Paper 4.4.3; then EIP-1559, EIP-4895, EIP-4844 (two),
 * EIP-4788, EIP-7685. A chain has the first 15 and as many of the others as its fork knows.
 */
const FIELDS: readonly (readonly [name: string, encoding: Encoding])[] = [
  ['parentHash', 'bytes'],
  ['sha3Uncles', 'bytes'],
  ['miner', 'bytes'],
  ['stateRoot', 'bytes'],
  ['transactionsRoot', 'bytes'],
  ['receiptsRoot', 'bytes'],
  ['logsBloom', 'bytes'],
  ['difficulty', 'quantity'],
  ['number', 'quantity'],
  ['gasLimit', 'quantity'],
  ['gasUsed', 'quantity'],
  ['timestamp', 'quantity'],
  ['extraData', 'bytes'],
  ['mixHash', 'bytes'],
  ['nonce', 'bytes'],
  ['baseFeePerGas', 'quantity'],
  ['withdrawalsRoot', 'bytes'],
  ['blobGasUsed', 'quantity'],
  ['excessBlobGas', 'quantity'],
  ['parentBeaconBlockRoot', 'bytes'],
  ['requestsHash', 'bytes'],
]
const AT = Object.fromEntries(FIELDS.map(([name], i) => [name, i]))
const EVERY_FORK = 15

/**
 * The header that a node tells as JSON, in RLP: its keccak-256 is the block's hash.
 * @throws ConsentryError `unavailable` where it is not, because the chain's headers have fields that are not known here
 */
export function encodeHeader(raw: Readonly<Record<string, unknown>>): Hex {
  const present = FIELDS.filter(([name], i) => i < EVERY_FORK || (raw[name] !== undefined && raw[name] !== null))
  const encoded = encodeRlp(present.map(([name, encoding]) => fieldOf(raw[name], encoding))) as Hex
  if (keccak256(encoded) === String(raw['hash']).toLowerCase()) return encoded
  const text = 'The header of the block does not have the block’s hash: the chain has fields that are not known here.'
  throw new ConsentryError('unavailable', text, { retryAfterSeconds: 60 })
}

/** @throws ConsentryError `integrity` */
export function readHeader(encoded: Hex): TrustedHeader {
  const fields = decoded(encoded)
  const field = (name: string): string => {
    const value = fields[AT[name] as number]
    if (typeof value !== 'string') throw new ConsentryError('integrity', `The block header has no ${name}.`)
    return value
  }
  const number = (name: string): number => Number(BigInt(field(name) === '0x' ? 0 : field(name)))
  return {
    hash: keccak256(encoded) as Hex,
    number: number('number'),
    timestamp: number('timestamp'),
    stateRoot: field('stateRoot') as Hex,
  }
}

function decoded(encoded: Hex): readonly unknown[] {
  try {
    const fields: unknown = decodeRlp(encoded)
    if (Array.isArray(fields) && fields.length >= EVERY_FORK) return fields
  } catch {
    // told below
  }
  throw new ConsentryError('integrity', 'The block header is malformed.')
}

/** RLP numbers have no leading zeros: zero is no byte at all. */
function fieldOf(value: unknown, encoding: Encoding): string {
  if (encoding === 'bytes') return String(value)
  const digits = bigQuantity(value).toString(16)
  return digits === '0' ? '0x' : `0x${digits.length % 2 === 0 ? '' : '0'}${digits}`
}

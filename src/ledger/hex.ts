import { ConsentryError } from '../errors.js'

/** `0x` and hex digits; hashes, ids and byte strings are lower case everywhere in this folder. */
export type Hex = `0x${string}`

/** JSON-RPC quantity, https://ethereum.org/developers/docs/apis/json-rpc/#quantities-encoding. */
export function toQuantity(value: number | bigint): Hex {
  return `0x${value.toString(16)}`
}

export function fromQuantity(value: unknown): number {
  const number = Number(bigQuantity(value))
  if (!Number.isSafeInteger(number)) throw malformed(value)
  return number
}

export function bigQuantity(value: unknown): bigint {
  if (typeof value !== 'string' || !/^0x[0-9a-f]+$/i.test(value)) throw malformed(value)
  return BigInt(value)
}

function malformed(value: unknown): ConsentryError {
  return new ConsentryError(
    'unavailable',
    `The Ethereum node answered ${JSON.stringify(value)?.slice(0, 80)} where a quantity belongs.`,
    { retryAfterSeconds: 5 },
  )
}

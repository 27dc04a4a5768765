import type { ParamType, Result } from 'ethers'

/**
 * ethers' decoded values in the forms of abi.ts: integers up to 48 bits (times, bit sets, enumerations) as number, longer
 * ones as bigint; bytes and addresses as lower-case hex; tuples as objects by component name; lists as arrays.
 * A string of ill-formed UTF-8, which anyone can put on chain, is read with U+FFFD in place of the bad bytes: an event
 * must never stop the follower.
 */
export function fromAbi(type: ParamType, value: unknown): unknown {
  if (type.arrayChildren) {
    const child = type.arrayChildren
    return Array.from(value as Result, (entry) => fromAbi(child, entry))
  }
  if (type.components) return fieldsFromAbi(type.components, value as Result)
  const integer = /^u?int(\d+)$/.exec(type.type)
  if (integer) return Number(integer[1]) <= 48 ? Number(value) : value
  if (type.type === 'address' || type.type.startsWith('bytes')) return (value as string).toLowerCase()
  return value
}

export function fieldsFromAbi(types: readonly ParamType[], values: Result): Readonly<Record<string, unknown>> {
  return Object.fromEntries(types.map((type, i) => [type.name || `_${i}`, fromAbi(type, at(values, i, type))]))
}

/** ethers defers its refusal of bad UTF-8 until the value is read, and hands out the bytes with it. */
function at(values: Result, index: number, type: ParamType): unknown {
  try {
    return values[index]
  } catch (error) {
    const bytes = (error as { error?: { value?: unknown } }).error?.value
    if (type.type !== 'string' || !(bytes instanceof Uint8Array)) throw error
    return Buffer.from(bytes).toString('utf8')
  }
}

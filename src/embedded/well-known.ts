import type { WellKnownValues } from '../records/well-known.js'
import type { Keystore } from '../vault/keystore.js'

const NAME = 'well-known'
/** A question that any of them answers asks for a token of each; further ones are indexed as any value is. */
const MOST = { strings: 64, codes: 256 }

/**
 * The values that rows of this index were ever indexed as well known, with those of now: kept beside the key of the
 * index, before the first row is written, because a row is not found without either. What is known stays, also when the
 * gateway gets another address.
 */
export async function keepWellKnown(keystore: Keystore, now: WellKnownValues): Promise<WellKnownValues> {
  const secret = keystore.get(NAME)
  const kept: WellKnownValues =
    secret === undefined ? { strings: [], codes: [] } : (JSON.parse(Buffer.from(secret).toString()) as WellKnownValues)
  const all: WellKnownValues = {
    strings: union(kept.strings, now.strings, ({ value }) => value).slice(0, MOST.strings),
    codes: union(kept.codes, now.codes, ({ system, code }) => JSON.stringify([system, code])).slice(0, MOST.codes),
  }
  const grown = all.strings.length > kept.strings.length || all.codes.length > kept.codes.length
  if (grown) await keystore.set(NAME, Buffer.from(JSON.stringify(all)))
  return all
}

/** What was there first comes first. */
function union<T>(old: readonly T[], more: readonly T[], name: (one: T) => string): T[] {
  const known = new Set(old.map(name))
  return [...old, ...more.filter((one) => !known.has(name(one)))]
}

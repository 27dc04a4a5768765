import type { LedgerConsentEvent, LedgerPlace } from './ledger-grants.js'
import type { PartyId } from './permit.js'
import { unpackWord } from './word.js'

/** One breaking of the glass, as the ledger tells it. */
export interface LedgerEmergency {
  readonly grantee: PartyId
  /** Salted hash of the justification. */
  readonly reasonHash: string
  /** Seconds since the epoch: when it ends by itself. */
  readonly to: number
  readonly place: LedgerPlace
  /** How many before it the same party gave the very same hash for: what tells them apart. */
  readonly again: number
}

/** Every breaking of the glass in a patient's history, in the order of the chain. */
export function ledgerEmergencies(events: readonly LedgerConsentEvent[]): LedgerEmergency[] {
  const before = new Map<string, number>()
  return events.flatMap(({ args, ...place }): LedgerEmergency[] => {
    if (place.name !== 'GlassBroken') return []
    const { to } = unpackWord(BigInt(String(args['consent'])))
    const [grantee, reasonHash] = [String(args['grantee']) as PartyId, String(args['reasonHash'])]
    const key = `${grantee}|${reasonHash}`
    const again = before.get(key) ?? 0
    before.set(key, again + 1)
    return [{ grantee, reasonHash, to, place, again }]
  })
}

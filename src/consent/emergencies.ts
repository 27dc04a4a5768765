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
}

/** Every breaking of the glass in a patient's history, in the order of the chain. */
export function ledgerEmergencies(events: readonly LedgerConsentEvent[]): LedgerEmergency[] {
  return events.flatMap(({ args, ...place }): LedgerEmergency[] => {
    if (place.name !== 'GlassBroken') return []
    const { to } = unpackWord(BigInt(String(args['consent'])))
    return [{ grantee: String(args['grantee']) as PartyId, reasonHash: String(args['reasonHash']), to, place }]
  })
}

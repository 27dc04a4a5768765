import type { LedgerConsentEvent } from './ledger-grants.js'
import type { PartyId } from './permit.js'
import { actionNumber } from './terms.js'
import { unpackWord } from './word.js'

const WRITING = [actionNumber('create'), actionNumber('update')]

/**
 * Until when one of these parties might write of the patient whose events these are, in the order of the chain: whatever label, purpose and
 * category its words were for, the last of them ended then, by itself or because it was taken back.
 *
 * @returns seconds since the epoch, in the future of a word in force; `null`: it never might
 */
export function writableUntil(events: readonly LedgerConsentEvent[], parties: readonly PartyId[]): number | null {
  const held = new Map<string, number>()
  let last: number | null = null
  const end = (key: string, at: number): void => {
    const to = held.get(key)
    if (to === undefined) return
    held.delete(key)
    last = Math.max(last ?? 0, Math.min(to, at))
  }
  for (const { name, args, blockTime } of events) {
    if (name === 'AllConsentsRevoked') for (const key of [...held.keys()]) end(key, blockTime)
    if (name !== 'ConsentGranted' && name !== 'ConsentRevoked') continue
    const grantee = String(args['grantee']) as PartyId
    if (!parties.includes(grantee)) continue
    for (const action of WRITING) {
      if ((Number(args['actions']) & (1 << action)) === 0) continue
      const key = `${grantee}|${String(args['label'])}|${action}`
      end(key, blockTime)
      if (name === 'ConsentGranted') held.set(key, unpackWord(BigInt(String(args['consent']))).to)
    }
  }
  for (const to of held.values()) last = Math.max(last ?? 0, to)
  return last
}

import type { Facts, GrantWord } from '../../consent/decide.js'
import { ALL_LABELS, ALL_LABELS_ID } from '../../consent/labels.js'
import type { PartyId, PatientId } from '../../consent/permit.js'
import { actionNumber, ALL_CATEGORIES, purposeMask } from '../../consent/terms.js'
import { ConsentryError } from '../../errors.js'
import { header } from '../../ledger/chain.js'
import type { LedgerReader } from '../../ledger/reads.js'

const BTG = purposeMask(['BTG'])

/** What the contract says of emergencies that the mirror does not let through. */
export type EmergencyFacts = Pick<Facts, 'now' | 'activeParties' | 'words' | 'freshness'>

/**
 * Emergency access does not wait for the mirror: where it is too old, or waits for finality, the contract is asked at the node's latest block.
 *
 * The bound: the node answers now and is not behind what the mirror has seen, the glass is open by the contract's `check` (veto, epoch and
 * standing of the party included) at that block, and its period, of four hours at most, holds by our clock as well. So a node that
 * lost the chain opens nothing beyond the period of what it knew.
 */
export class EmergencyAccess {
  constructor(
    private readonly reader: Pick<LedgerReader, 'rpc' | 'check' | 'readMany'>,
    /** Number of the last block that the mirror has applied; -1: none. */
    private readonly seen: () => Promise<number>,
    /** Patients whose glass was broken through this gateway since then, milliseconds: a search asks about them. */
    private readonly openedSince: (at: number) => Promise<readonly PatientId[]>,
  ) {}

  /** @throws ConsentryError `unavailable` when the node does not know either */
  async facts(parties: readonly PartyId[], patients: readonly PatientId[], now: number): Promise<EmergencyFacts> {
    const { number, hash } = await header(this.reader.rpc, 'latest')
    if (number < (await this.seen())) {
      throw new ConsentryError('unavailable', 'The Ethereum node is behind what has been seen of the ledger.', {
        retryAfterSeconds: 5,
      })
    }
    const pairs = patients.flatMap((patient) => parties.map((grantee) => ({ patient, grantee })))
    const block = { blockHash: hash }
    const emergency = actionNumber('emergency')
    const [open, words] = await Promise.all([
      this.reader.check(
        pairs.map((pair) => ({ ...pair, label: ALL_LABELS_ID, action: 0, purpose: BTG, categories: ALL_CATEGORIES })),
        block,
      ),
      this.reader.readMany(
        'ConsentRegistry',
        'consentOf',
        pairs.map(({ patient, grantee }) => [patient, grantee, ALL_LABELS_ID, emergency] as const),
        block,
      ),
    ])
    const permitted = pairs.flatMap((pair, i): GrantWord[] => {
      const word = words[i]
      if (open[i] !== true || word === undefined) return []
      const { from, to, purposes, categories } = word
      return [
        { ...pair, labels: ALL_LABELS, action: 'emergency', from: Number(from), to: Number(to), purposes, categories },
      ]
    })
    return {
      now,
      words: permitted,
      activeParties: new Set(permitted.map(({ grantee }) => grantee)),
      freshness: { confirmedAt: now, limitMs: 1 },
    }
  }

  /** Which patients' emergency is open to one of the parties, among those whose glass was broken through this gateway. */
  async open(parties: readonly PartyId[], now: number): Promise<PatientId[]> {
    const asked = await this.openedSince(now - TERM_MS)
    if (asked.length === 0) return []
    const seconds = Math.floor(now / 1000)
    const { words } = await this.facts(parties, asked, now)
    return [...new Set(words.filter(({ from, to }) => from <= seconds && seconds < to).map(({ patient }) => patient))]
  }
}

/** `EMERGENCY_TERM` of the contract, with what block time and clock may differ. */
const TERM_MS = 4 * 3_600_000 + 600_000

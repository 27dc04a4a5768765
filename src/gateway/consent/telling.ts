import { createHash } from 'node:crypto'
import { ALL_LABELS, EVERY_LABEL, type GrantableLabel, labelCodes, maskOfLabelId } from '../../consent/labels.js'
import type { GrantedTerms, LedgerGrant, LedgerPlace } from '../../consent/ledger-grants.js'
import type { Action } from '../../consent/permit.js'
import { ACTIONS, OPEN_END } from '../../consent/terms.js'

/** Codes of https://hl7.org/fhir/R4/valueset-consent-state-codes.html that the ledger's word can have. */
export type ToldStatus = 'proposed' | 'active' | 'inactive' | 'entered-in-error'

/** What a Consent says of the grant that it stands for. */
export interface Telling {
  readonly status: ToldStatus
  /** The event that decided it; `null`: the ledger does not hold the grant. */
  readonly evidence: LedgerPlace | null
  readonly labels: readonly GrantableLabel[]
  readonly actions: readonly Action[]
  /** Seconds since the epoch: told as in force, and to be told anew then. */
  readonly until: number | null
}

/**
 * What is to be said of a grant. It is active from its final block on, until it ends, is revoked or replaced; before that
 * block is final it stays proposed, with the event as evidence. R4 has no status for what has expired: terminated is
 * `inactive`. Where a part was revoked, the Consent says the labels that are left with the actions that all of them have:
 * never more than the ledger.
 *
 * @param grant `null`: no block that counts holds it (any more)
 * @param now seconds since the epoch
 */
export function tellingOf(
  link: { readonly terms: GrantedTerms; readonly proposed: boolean },
  grant: LedgerGrant | null,
  finalized: number,
  now: number,
): Telling {
  const { terms } = link
  const signed = { labels: knownLabels(terms.labels), actions: actionsIn(terms.actions) }
  if (grant === null) {
    return { status: link.proposed ? 'proposed' : 'entered-in-error', evidence: null, ...signed, until: null }
  }
  const evidence = grant.decidedAt
  const left = rectangle(grant.held)
  if (left === null || terms.to <= now) return { status: 'inactive', evidence, ...signed, until: null }
  const status = grant.grantedAt.blockNumber <= finalized ? 'active' : 'proposed'
  return { status, evidence, ...left, until: terms.to === OPEN_END ? null : terms.to }
}

/** Whether a gateway can say the grant in FHIR at all: codes that it does not know it cannot name. */
export function canBeTold({ labels, actions }: Telling): boolean {
  return labels.length > 0 && actions.length > 0
}

/** Names what is told: equal tellings have equal digests. SHA-256. */
export function tellingDigest({ status, evidence, labels, actions }: Telling): Buffer {
  const said = [status, evidence?.blockHash, evidence?.logIndex, labels, actions]
  return createHash('sha256').update(JSON.stringify(said)).digest()
}

function rectangle(held: ReadonlyMap<string, number>): Pick<Telling, 'labels' | 'actions'> | null {
  const known = [...held].filter(([label]) => maskOfLabelId(label) !== null)
  if (known.length === 0) return null
  const common = known.reduce((mask, [, actions]) => mask & actions, 0xff)
  if (common !== 0) return { labels: knownLabels(known.map(([label]) => label)), actions: actionsIn(common) }
  const [label, actions] = known[0] as (typeof known)[number]
  return { labels: knownLabels([label]), actions: actionsIn(actions) }
}

/** Those that can be named; a record of an unknown class is nobody's to grant by name. */
function knownLabels(ids: readonly string[]): GrantableLabel[] {
  const bits = ids.reduce((all, id) => all | (maskOfLabelId(id) ?? 0n), 0n)
  if (bits === ALL_LABELS) return [EVERY_LABEL]
  return labelCodes(bits).filter((code) => code !== 'OTHER')
}

function actionsIn(mask: number): Action[] {
  return ACTIONS.filter((_, i) => (mask & (1 << i)) !== 0)
}

import { type LedgerEmergency, ledgerEmergencies } from '../../consent/emergencies.js'
import type { LedgerPlace } from '../../consent/ledger-grants.js'
import type { PartyId, PatientId } from '../../consent/permit.js'
import { PARTY_SYSTEM } from './codes.js'
import { alarm, type EmergencyFacts, reviewTask } from './emergency-resources.js'
import { type Notice, noticeId, type NoticeNames } from './notices.js'
import { digestOf, type NoticeContext, type NoticeHistory, type ToldNotice } from './told-notice.js'

/** What a notice of an emergency keeps of it. Seconds since the epoch. */
export interface EmergencyAbout {
  readonly grantee: PartyId
  readonly reasonHash: string
  readonly from: number
  readonly to: number
  /** As in `LedgerEmergency`; absent: 0. */
  readonly again?: number
}

type Named = Pick<EmergencyAbout, 'grantee' | 'reasonHash' | 'again'>

/** @param notices what is kept of the patient: a notice keeps its name */
export function emergencyIds(
  names: NoticeNames,
  patient: PatientId,
  about: Named,
  notices: readonly Notice[] = [],
): { readonly reviewId: string; readonly alarmId: string } {
  const { grantee, reasonHash, again = 0 } = about
  const idOf = (kind: 'review' | 'alarm'): string =>
    notices.find((notice) => notice.kind === kind && isAbout(notice, about))?.id ??
    noticeId(names, kind, patient, grantee, reasonHash, ...(again === 0 ? [] : [String(again)]))
  return { reviewId: idOf('review'), alarmId: idOf('alarm') }
}

function isAbout({ about }: Notice, { grantee, reasonHash, again = 0 }: Named): boolean {
  return about['grantee'] === grantee && about['reasonHash'] === reasonHash && (about['again'] ?? 0) === again
}

/**
 * The reviews and alarms of a patient: for each emergency of ours a review, for each of a patient of ours an alarm. What was told of an
 * emergency whose block has left the chain is told as undone; what was sent and never seen stays as it is.
 */
export function emergencyNotices(context: NoticeContext, history: NoticeHistory): ToldNotice[] {
  const { patient, home, events, notices } = history
  const known = new Map(notices.map((notice) => [notice.id, notice]))
  const onLedger = ledgerEmergencies(events)
  const seen = onLedger.flatMap((emergency) => {
    const { reviewId, alarmId } = emergencyIds(context, patient, emergency, notices)
    return [
      ...(context.ours.has(emergency.grantee) ? [{ id: reviewId, kind: 'review' as const, emergency }] : []),
      ...(home ? [{ id: alarmId, kind: 'alarm' as const, emergency }] : []),
    ]
  })
  const present = new Set(seen.map(({ id }) => id))
  const gone = notices.filter(({ id, kind, told }) => kind !== 'request' && told !== null && !present.has(id))
  return [
    ...seen.map(({ id, kind, emergency }) =>
      toldEmergency(context, history, known.get(id) ?? fresh(id, kind, patient, emergency), emergency),
    ),
    ...gone.map((notice) => toldEmergency(context, history, notice, null)),
  ]
}

/** The place of an event as a notice cites it. */
export function evidenceAt({ ledger }: Pick<NoticeContext, 'ledger'>, place: LedgerPlace) {
  const { transactionHash, blockNumber, blockHash, logIndex } = place
  return { ...ledger, transactionHash, blockNumber, blockHash, logIndex }
}

export function toldEmergency(
  context: NoticeContext,
  { patient, home, notices }: Pick<NoticeHistory, 'patient' | 'home' | 'notices'>,
  notice: Notice,
  emergency: LedgerEmergency | null,
): ToldNotice {
  const before = notice.about as unknown as EmergencyAbout // what `fresh` and `$break-glass` keep
  const place = emergency?.place ?? null
  const about: EmergencyAbout =
    emergency === null
      ? before
      : {
          grantee: emergency.grantee,
          reasonHash: emergency.reasonHash,
          from: emergency.place.blockTime,
          to: emergency.to,
          ...(emergency.again === 0 ? {} : { again: emergency.again }),
        }
  const due = about.from + context.reviewSeconds
  const overdue = notice.kind === 'review' && notice.doneAt === null && due <= context.now
  const state = emergency === null ? 'undone' : 'open'
  const ids = emergencyIds(context, patient, about, notices)
  const facts: EmergencyFacts = {
    ...about,
    person: notice.person,
    // What was stated stands in the resource.
    reason: null,
    state,
    evidence: place === null ? null : evidenceAt(context, place),
    due,
    overdue,
    reviewId: ids.reviewId,
    alarmId: home ? ids.alarmId : null,
    entity: context.entity,
  }
  const until = notice.kind === 'review' && notice.doneAt === null && !overdue ? due : null
  const make = notice.kind === 'alarm' ? alarm : reviewTask
  return {
    notice: {
      ...notice,
      about: { ...about },
      until,
      told: digestOf(notice.kind, state, place?.blockHash, place?.logIndex, overdue),
    },
    resource: (base, reference) => make(base, facts, reference),
    place,
    by: place === null ? null : { system: PARTY_SYSTEM, value: about.grantee },
    description: DESCRIPTION[state],
    ...(state === 'undone' && notice.kind === 'review' ? { more: [UNDONE] } : {}),
  }
}

const DESCRIPTION = {
  open: 'the ledger says that the glass was broken',
  undone: 'the ledger has lost the block in which the glass was broken',
} as const

const UNDONE = {
  interaction: '$break-glass',
  outcome: '8',
  outcomeDescription:
    'The block that opened this emergency access has left the chain: what was read under it, with the purpose BTG, was read without it.',
} as const

function fresh(id: string, kind: 'review' | 'alarm', patient: PatientId, emergency: LedgerEmergency): Notice {
  const { grantee, reasonHash, to, place, again } = emergency
  const about = { grantee, reasonHash, from: place.blockTime, to, ...(again === 0 ? {} : { again }) }
  const at = place.blockTime * 1000
  return { id, kind, patient, at, about, person: null, consentId: null, told: null, until: null, doneAt: null }
}

import { type LedgerRequest, ledgerRequests } from '../../consent/access-requests.js'
import { grantKey } from '../../consent/ledger-grants.js'
import type { Hex } from '../../ledger/hex.js'
import { PATIENT_ID_SYSTEM } from '../patient-compartment.js'
import { ACCESS_STATE, coded } from './access-codes.js'
import { PARTY_SYSTEM } from './codes.js'
import { evidenceAt } from './emergency-notices.js'
import type { ConsentLink } from './links.js'
import { type Notice, noticeId } from './notices.js'
import { type RequestFacts, requestTask } from './request-resource.js'
import { digestOf, type NoticeContext, type NoticeHistory, type ToldNotice } from './told-notice.js'

/**
 * The Tasks of a patient's requests: for what we asked, and for what a patient of ours was asked. One that was told and whose block has left
 * the chain is told as entered in error; one that was sent and never seen stays as it is.
 */
export function requestNotices(
  context: NoticeContext,
  { patient, home, events, notices }: NoticeHistory,
  links: readonly ConsentLink[],
): ToldNotice[] {
  const known = new Map(
    notices.flatMap((notice) => (notice.kind === 'request' ? [[notice.about['request'], notice]] : [])),
  )
  const linked = new Map<string, string>(links.map(({ key, consentId }) => [key, consentId]))
  const told = ledgerRequests(patient, events, context.now)
    .filter(({ terms }) => home || context.ours.has(terms.grantee))
    .map((each) => {
      const consentId = each.grant === null ? undefined : linked.get(grantKey(each.grant))
      return toldRequest(
        context,
        known.get(each.request) ?? fresh(noticeId(context, 'request', each.request), each),
        each,
        consentId ?? null,
      )
    })
  const present = new Set(told.map(({ notice }) => notice.id))
  const gone = notices.filter(({ id, kind, told: said }) => kind === 'request' && said !== null && !present.has(id))
  return [...told, ...gone.map(undone)]
}

function toldRequest(
  context: NoticeContext,
  notice: Notice,
  { request, terms, state, requestedAt, decidedAt, until, grant }: LedgerRequest,
  consentId: string | null,
): ToldNotice {
  const facts: RequestFacts = {
    request,
    terms,
    state,
    evidence: evidenceAt(context, decidedAt),
    authoredOn: requestedAt.blockTime,
    until,
    given: grant,
    consentId,
    // What was stated stands in the resource.
    reason: null,
  }
  return {
    notice: {
      ...notice,
      about: { grantee: terms.grantee, request },
      until: state === 'open' ? until : null,
      told: digestOf('request', state, decidedAt.blockHash, decidedAt.logIndex, consentId),
    },
    resource: (base, reference) => requestTask(base, facts, reference),
    place: decidedAt,
    by: OF_GRANTEE.has(decidedAt.name)
      ? { system: PARTY_SYSTEM, value: terms.grantee }
      : { system: PATIENT_ID_SYSTEM, value: terms.patient },
    description: `the ledger says that the request is ${state}`,
  }
}

/** Events that the grantee causes; the others are the patient's. */
const OF_GRANTEE: ReadonlySet<string> = new Set(['AccessRequested', 'AccessRequestWithdrawn'])

/** Nothing of the ledger is left but what the Task has said already. */
function undone(notice: Notice): ToldNotice {
  return {
    notice: { ...notice, until: null, told: digestOf('request', 'undone') },
    resource: (base, reference) => {
      const { extension: _, output: __, ...rest } = base ?? { resourceType: 'Task', intent: 'proposal', for: reference }
      return { ...rest, status: 'entered-in-error', businessStatus: coded(ACCESS_STATE, 'undone') }
    },
    place: null,
    by: null,
    description: 'the ledger has lost the block of the request',
  }
}

function fresh(id: string, { request, terms, requestedAt }: LedgerRequest): Notice {
  const about = { grantee: terms.grantee, request: request satisfies Hex }
  const at = requestedAt.blockTime * 1000
  const kept = { person: null, consentId: null, told: null, until: null, doneAt: null }
  return { id, kind: 'request', patient: terms.patient, at, about, ...kept }
}

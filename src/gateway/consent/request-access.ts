import { randomBytes } from 'node:crypto'
import { requireWriteScope } from '../../auth/allows.js'
import { OPEN_SECONDS, type RequestedTerms } from '../../consent/access-requests.js'
import { ALL_CATEGORIES } from '../../consent/terms.js'
import { ConsentryError } from '../../errors.js'
import type { OperationInput } from '../../fhir/operation-definition.js'
import { ContractRefusal } from '../../ledger/refusal.js'
import type { AuditedHandler } from '../audited.js'
import { isConfined } from '../launch-context.js'
import { occurrence } from '../occurrence.js'
import { operationInput } from '../operation-input.js'
import type { GatewayParts } from '../parts.js'
import { askedPatient, requireNotices, requireOwnClient } from './asked-patient.js'
import { namedTerms } from './asked-terms.js'
import { type AccessParts, granteeOf } from './break-glass.js'
import { carryOut } from './carry-out.js'
import { noticeResponse } from './loaded-notice.js'
import { type NewNotice, patientReferences, writeNotices } from './notice-writing.js'
import { type Notice, noticeId } from './notices.js'
import { requestId, requestReasonHash, requestTask, type ToldRequestState } from './request-resource.js'

/** Requests of one grantee that a patient may have to answer at a time. */
const OPEN_AT_A_TIME = 10
const TEXT = 1_000

/**
 * `Patient/[id]/$request-access`: a clinician asks a patient for access. The request goes on the ledger, the reason as a salted hash alone, and
 * is answered as the Task in which the patient accepts, narrows or refuses it. Asking permits nothing.
 * The order is: the Task with the AuditEvent (durable), the transaction, the Task as the ledger has answered.
 */
export function requestAccess(parts: GatewayParts, access: AccessParts): AuditedHandler {
  return async (request, trail) => {
    requireWriteScope(request.principal, 'Task', 'create')
    requireOwnClient(parts, request, 'asks for it')
    if (isConfined(request.principal)) {
      throw new ConsentryError(
        'forbidden',
        'A request is made in the name of who asks, and not by the patient’s own application.',
      )
    }
    const input = operationInput(request)
    const now = parts.clock()
    const seconds = Math.floor(now / 1000)
    const text = reasonOf(input)
    const asked = termsOf(input, seconds)
    const patient = await askedPatient(parts, request, trail)
    await requireNotices(parts, request, patient.id)
    const grantee = await granteeOf(parts, access, request.principal)
    const salt = `0x${randomBytes(32).toString('hex')}`
    const terms = { ...asked, patient: patient.id, grantee, reasonHash: requestReasonHash(text, salt) }
    const request_ = requestId(terms)
    const id = noticeId(parts, 'request', request_)
    const about = { grantee, request: request_ }
    const kept = { person: null, consentId: null, told: null, until: null, doneAt: null }
    const notice: Notice = { id, kind: 'request', patient: patient.id, at: now, about, ...kept }
    const until = Math.min(terms.to, seconds + OPEN_SECONDS)
    const reference = (await patientReferences(parts, [patient.id])).get(patient.id)
    const told = (state: ToldRequestState, previous: NewNotice['previous']): NewNotice => ({
      id,
      patient: patient.id,
      resource: requestTask(
        null,
        {
          request: request_,
          terms,
          state,
          evidence: null,
          authoredOn: seconds,
          until,
          given: null,
          consentId: null,
          reason: { text, salt },
        },
        reference as NonNullable<typeof reference>,
      ),
      previous,
      evidence: null,
      description: `the request is ${state}`,
    })
    await requireRoom(access, notice)
    trail.touches(`Task/${id}`, 1)
    const what = {
      interaction: '$request-access',
      outcome: '0' as const,
      outcomeDescription: 'recorded; the ledger is asked next',
      ...trail.told,
    }
    await writeOrConflict(parts, [told('sent', null)], [occurrence(request, now, what)])
    try {
      const call = access.contracts.write('ConsentRegistry', 'requestAccess', terms)
      await carryOut(access, call)
    } catch (error) {
      if (error instanceof ContractRefusal) {
        await writeOrConflict(parts, [told('refused', { version: 1, lastUpdated: now })], null)
      }
      throw error
    }
    await access.mirroring.settle([patient.id])
    return noticeResponse(parts, request, 'Task', id)
  }
}

async function writeOrConflict(...given: Parameters<typeof writeNotices>): Promise<void> {
  if (await writeNotices(...given)) return
  throw new ConsentryError('conflict', 'The Task of this request is written by somebody else at the moment.')
}

/** What a client may ask for is what can be granted; read, everything of each label, if it names no action and category. */
function termsOf(input: OperationInput, now: number): Omit<RequestedTerms, 'patient' | 'grantee' | 'reasonHash'> {
  const { labels, purposes, to, actions = 1, categories = ALL_CATEGORIES, from = now } = namedTerms(input)
  const missing = [
    ['label', labels],
    ['purpose', purposes],
    ['period.end', to],
  ].flatMap(([name, value]) => (value === undefined ? [String(name)] : []))
  if (labels === undefined || purposes === undefined || to === undefined) {
    throw new ConsentryError('invalid', 'A request names what it is for and until when.', {
      issues: missing.map((name) => ({
        severity: 'error',
        code: 'required',
        diagnostics: `A request needs the parameter ${name}; none is implied.`,
        expression: [`Parameters.parameter:${name}`],
      })),
    })
  }
  if (to > from && to > now) return { labels, purposes, to, actions, categories, from }
  throw new ConsentryError('invalid', 'The period must end after it begins, and in the future.', {
    code: 'value',
    expression: ['Parameters.parameter:period'],
  })
}

function reasonOf(input: OperationInput): string {
  const [reason] = input.strings('reason')
  const text = reason?.trim() ?? ''
  if (text.length >= 10 && text.length <= TEXT) return text
  throw new ConsentryError('invalid', `The reason needs 10 to ${TEXT} letters: the patient decides by it.`, {
    code: 'required',
    expression: ['Parameters.parameter:reason'],
  })
}

async function requireRoom({ notices }: AccessParts, request: Notice): Promise<void> {
  const open = await notices.takeRequest(request, OPEN_AT_A_TIME)
  if (open === null) return
  throw new ConsentryError(
    'throttled',
    `The patient has ${open} requests of this party to answer: withdraw one, or wait for an answer.`,
    { retryAfterSeconds: 3_600 },
  )
}

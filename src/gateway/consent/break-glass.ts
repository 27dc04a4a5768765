import { randomBytes } from 'node:crypto'
import { requireBreakGlassScope } from '../../auth/own-scopes.js'
import type { Principal } from '../../auth/principal.js'
import { instant } from '../../consent/instant.js'
import type { consentHistory } from '../../consent/ledger-grants.js'
import type { ConsentMirror } from '../../consent/mirror.js'
import type { PartyId, PatientId } from '../../consent/permit.js'
import { unpackWord } from '../../consent/word.js'
import { ConsentryError, type Issue } from '../../errors.js'
import type { Contracts } from '../../ledger/contracts.js'
import type { ChainFollower } from '../../ledger/follower.js'
import type { Receipt } from '../../ledger/receipt.js'
import type { LedgerReader } from '../../ledger/reads.js'
import { ContractRefusal } from '../../ledger/refusal.js'
import type { TransactionSender } from '../../ledger/sender.js'
import { actsFor } from '../acting-party.js'
import type { AuditedHandler } from '../audited.js'
import type { InteractionRequest } from '../interaction.js'
import { occurrence } from '../occurrence.js'
import { operationInput } from '../operation-input.js'
import type { GatewayParts } from '../parts.js'
import { EMERGENCY_REASON, EMERGENCY_REASONS } from './access-codes.js'
import { askedPatient, requireOwnClient } from './asked-patient.js'
import { PARTY_SYSTEM } from './codes.js'
import { emergencyIds, evidenceAt, toldEmergency } from './emergency-notices.js'
import { alarm, type EmergencyFacts, type EmergencyReason, reasonHashOf, reviewTask } from './emergency-resources.js'
import type { NoticeMirroring } from './notice-mirroring.js'
import { type NewNotice, patientReferences, writeNotices } from './notice-writing.js'
import type { Notice, Notices, Person } from './notices.js'
import type { ConsentParts } from './request.js'
import type { LedgerAddress } from './resource.js'

/** What access operations need besides. */
export interface AccessParts {
  readonly mirror: ConsentMirror
  readonly contracts: Contracts
  readonly reader: LedgerReader
  readonly sender: TransactionSender
  readonly follower: Pick<ChainFollower, 'reached'>
  readonly notices: Notices
  readonly mirroring: Pick<NoticeMirroring, 'settle'>
  readonly ledger: LedgerAddress
  /** For the grant that answers a request. */
  readonly consent: ConsentParts
  readonly histories: (patients: readonly PatientId[]) => ReturnType<typeof consentHistory>
  readonly emergency: { readonly perPerson: number; readonly reviewSeconds: number }
}

/** How long the answer waits for the mirror; emergency access itself does not need it. */
const MIRROR_WITHIN_MS = 5_000
const TEXT = 1_000

/**
 * `Patient/[id]/$break-glass`: opens the record for reading, without consent, for the four hours of the contract. The reason is sealed here
 * and its salted hash goes on the ledger; the patient and the privacy officer are told before and after; a second person reviews it.
 * The order is: the limit, the notices with the AuditEvent (durable), the transaction, the notices as the ledger has answered.
 */
export function breakGlass(parts: GatewayParts, access: AccessParts): AuditedHandler {
  return async (request, trail) => {
    const { principal } = request
    requireBreakGlassScope(principal)
    requireOwnClient(parts, request, 'breaks the glass for it')
    if (actsFor(principal) !== 'BTG') {
      throw new ConsentryError('forbidden', 'Breaking the glass needs a token for the purpose BTG and no other.')
    }
    const reason = reasonOf(request)
    const patient = await askedPatient(parts, request, trail)
    const grantee = await granteeOf(parts, access, principal)
    const about = { grantee, reasonHash: reasonHashOf(reason) }
    const ids = emergencyIds(parts, patient.id, about)
    const home = (await parts.patients.wrappedRoot(patient.id)) !== null
    const at = parts.clock()
    const from = Math.floor(at / 1000)
    const person = personOf(principal)
    const common = { patient: patient.id, at, consentId: null, told: null, until: null, doneAt: null }
    const kept = { ...about, from, to: from + TERM }
    const review = { ...common, id: ids.reviewId, kind: 'review' as const, about: kept, person }
    const warning: Notice = { ...common, id: ids.alarmId, kind: 'alarm', about: kept, person: null }
    await requireLimit(access, review, at)

    const facts: EmergencyFacts = {
      ...kept,
      person,
      reason,
      state: 'sent',
      evidence: null,
      due: from + access.emergency.reviewSeconds,
      overdue: false,
      reviewId: ids.reviewId,
      alarmId: home ? ids.alarmId : null,
      entity: parts.entity,
    }
    const said = new Emergency(parts, access, patient.id, home ? [review, warning] : [review])
    trail.touches(`Task/${ids.reviewId}`, 1)
    if (home) trail.touches(`Communication/${ids.alarmId}`, 1)
    const asked = occurrence(request, at, {
      interaction: '$break-glass',
      outcome: '0',
      outcomeDescription: 'recorded; the ledger is asked next',
      ...trail.told,
    })
    // Durable before anything is opened: who asked, why, and that it was asked.
    await said.tell(facts, [asked]).catch(async (error: unknown) => {
      await access.notices.giveBack(ids.reviewId)
      throw error
    })
    const receipt = await sent(access, patient.id, about, async () => {
      await access.notices.giveBack(ids.reviewId)
      await said.tell({ ...facts, state: 'refused' }, null)
    })
    const to = await said.opened(facts, receipt)
    return { status: 200, headers: {}, body: answerOf(ids, home, grantee, to) }
  }
}

/** `EMERGENCY_TERM` of the contract, until its word tells the exact end. */
const TERM = 4 * 3_600

/** The two notices of one emergency, from the request on. */
class Emergency {
  #previous = new Map<string, NewNotice['previous']>()
  #resources = new Map<string, NewNotice['resource']>()

  constructor(
    private readonly parts: GatewayParts,
    private readonly access: AccessParts,
    private readonly patient: PatientId,
    private readonly notices: readonly Notice[],
  ) {}

  async tell(facts: EmergencyFacts, audit: Parameters<typeof writeNotices>[2]): Promise<void> {
    const { parts, patient } = this
    const reference = (await patientReferences(parts, [patient])).get(patient)
    const written = this.notices.map(({ id, kind }): NewNotice => {
      const make = kind === 'alarm' ? alarm : reviewTask
      const resource = make(this.#resources.get(id) ?? null, facts, reference as NonNullable<typeof reference>)
      const previous = this.#previous.get(id) ?? null
      return { id, patient, resource, previous, evidence: facts.evidence, description: DESCRIPTION[facts.state] }
    })
    if (!(await writeNotices(parts, written, audit))) {
      throw new ConsentryError('conflict', 'The notices of this emergency are written by somebody else at the moment.')
    }
    for (const { id, resource, previous } of written) {
      this.#resources.set(id, resource)
      this.#previous.set(id, { version: (previous?.version ?? 0) + 1, lastUpdated: parts.clock() })
    }
  }

  /** As the mirror tells it; where the mirror does not come in time, as the receipt does. @returns the end, seconds */
  async opened(facts: EmergencyFacts, receipt: Receipt): Promise<number> {
    const { parts, access, patient } = this
    const emergency = brokenIn(access.contracts, receipt, parts.clock())
    const mirrored = await access.follower.reached(receipt.blockNumber, MIRROR_WITHIN_MS).then(
      () => true,
      () => false,
    )
    if (mirrored) {
      await access.mirroring.settle([patient])
      return emergency.to
    }
    const context = {
      entity: parts.entity,
      ledger: access.ledger,
      ours: new Set<PartyId>(),
      now: Math.floor(parts.clock() / 1000),
      reviewSeconds: access.emergency.reviewSeconds,
      index: parts.index,
    }
    await this.tell({ ...facts, state: 'open', to: emergency.to, evidence: evidenceAt(context, emergency.place) }, null)
    const home = this.notices.length > 1
    await access.notices.keep(
      this.notices.map(
        (notice) => toldEmergency(context, { patient, home, notices: this.notices }, notice, emergency).notice,
      ),
    )
    return emergency.to
  }
}

const DESCRIPTION: Readonly<Record<EmergencyFacts['state'], string>> = {
  sent: 'the glass is about to be broken',
  refused: 'the ledger has refused to break the glass',
  open: 'the ledger says that the glass was broken',
  undone: 'the ledger has lost the block in which the glass was broken',
}

async function sent(
  access: AccessParts,
  patient: PatientId,
  { grantee, reasonHash }: { readonly grantee: PartyId; readonly reasonHash: `0x${string}` },
  refused: () => Promise<void>,
): Promise<Receipt> {
  try {
    const call = access.contracts.write('ConsentRegistry', 'breakGlass', patient, grantee, reasonHash)
    return await (await access.sender.send(call)).wait()
  } catch (error) {
    if (error instanceof ContractRefusal) await refused()
    throw error
  }
}

function brokenIn(contracts: Contracts, receipt: Receipt, now: number) {
  for (const log of receipt.logs) {
    const event = contracts.decode(log)
    if (event?.name !== 'GlassBroken') continue
    const { grantee, consent, reasonHash } = event.args
    const { from, to } = unpackWord(BigInt(consent))
    const { blockNumber, blockHash, transactionHash, logIndex } = log
    // The contract writes the time of the block into the word; the salt makes the hash one that nobody gave before.
    const place = { name: event.name, blockNumber, blockHash, blockTime: from, transactionHash, logIndex }
    return { grantee, reasonHash, to, place, again: 0 }
  }
  throw new ConsentryError('internal', `A transaction at ${now} broke no glass.`)
}

/** Who asks: the practitioner whom the client is registered for, for itself alone, else its entity. */
export async function granteeOf(
  { entity }: GatewayParts,
  { mirror }: AccessParts,
  principal: Principal,
): Promise<PartyId> {
  if (principal.practitioner === undefined) return entity
  const party = await mirror.party(principal.practitioner)
  if (party?.controller == null) return principal.practitioner
  throw new ConsentryError(
    'conflict',
    'The practitioner has a wallet of its own: it asks on the ledger itself, and this gateway hears of it.',
  )
}

export function personOf({ clientId, practitioner, business }: Principal): Person {
  return {
    client: clientId,
    ...(practitioner === undefined ? {} : { practitioner }),
    ...(business?.subjectId === undefined ? {} : { subject: business.subjectId }),
  }
}

async function requireLimit(
  { notices, emergency }: AccessParts,
  review: Notice & { readonly person: Person },
  now: number,
): Promise<void> {
  const next = await notices.take(review, emergency.perPerson)
  if (next === null) return
  throw new ConsentryError(
    'throttled',
    `One person may break the glass ${emergency.perPerson} times in 24 hours here.`,
    { retryAfterSeconds: Math.max(1, Math.ceil((next - now) / 1000)) },
  )
}

function reasonOf(request: InteractionRequest): EmergencyReason {
  const [reason = {}] = operationInput(request).objects('reason')
  const codings = Array.isArray(reason['coding']) ? (reason['coding'] as { system?: unknown; code?: unknown }[]) : []
  const [coding] = codings
  const code = EMERGENCY_REASONS.find((known) => coding?.system === EMERGENCY_REASON && coding.code === known)
  const text = typeof reason['text'] === 'string' ? reason['text'].trim() : ''
  const expression = ['Parameters.parameter:reason']
  // All of it at once: whoever asks has no time to be told one thing after the other.
  const issues: Issue[] = []
  if (code === undefined || codings.length !== 1) {
    const diagnostics = `The reason needs one code of ${EMERGENCY_REASON}: ${EMERGENCY_REASONS.join(', ')}.`
    issues.push({ severity: 'error', code: 'code-invalid', diagnostics, expression })
  }
  if (text.length < 10 || text.length > TEXT) {
    const diagnostics = `The reason needs a text of 10 to ${TEXT} letters that says why.`
    issues.push({ severity: 'error', code: 'required', diagnostics, expression })
  }
  const [first] = issues
  if (first !== undefined) throw new ConsentryError('invalid', first.diagnostics, { issues })
  return { code: code as EmergencyReason['code'], text, salt: `0x${randomBytes(32).toString('hex')}` }
}

function answerOf(ids: ReturnType<typeof emergencyIds>, home: boolean, grantee: PartyId, to: number): object {
  return {
    resourceType: 'Parameters',
    parameter: [
      { name: 'until', valueInstant: instant(to) },
      { name: 'grantee', valueIdentifier: { system: PARTY_SYSTEM, value: grantee } },
      { name: 'review', valueReference: { reference: `Task/${ids.reviewId}` } },
      ...(home ? [{ name: 'notice', valueReference: { reference: `Communication/${ids.alarmId}` } }] : []),
    ],
  }
}

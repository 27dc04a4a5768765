import { labelBits } from '../consent/labels.js'
import type { Action, PatientId, RecordSubject } from '../consent/permit.js'
import { categoryBits, isCategory } from '../consent/terms.js'
import { ConsentryError } from '../errors.js'
import { clinicalCategories } from '../fhir/clinical-categories.js'
import { labelsOf } from '../fhir/labels-of.js'
import type { Resource } from '../fhir/types.js'
import type { StoredVersion } from '../records/types.js'
import type { Disclosed } from './access.js'
import { overtaken } from './contention.js'
import { refuseDefinition } from './definitions.js'
import type { Intent } from './intent.js'
import type { InteractionRequest } from './interaction.js'
import type { GatewayParts } from './parts.js'
import { isForeign, notForOthers } from './missing.js'
import { type CompartmentPatient, patientsOf, takenIds } from './patient-compartment.js'
import { requireConformance } from './require-conformance.js'
import type { Trail } from './trail.js'
import { occurrence } from './occurrence.js'
import { sealVersions, stamped } from './versions.js'

/** What became of an intent, in the order of the intents. */
export interface Written {
  readonly type: string
  readonly id: string
  readonly version: number
  /** Milliseconds since the epoch. */
  readonly lastUpdated: number
  readonly outcome: 'created' | 'updated' | 'deleted' | 'unchanged'
  /** The resource as stored, UTF-8 JSON; absent after a delete. */
  readonly body?: Uint8Array
}

/** How often a write begins again because another writer was faster. */
const ATTEMPTS = 5

/**
 * The life of a write, for one resource or for a whole transaction: previous versions → compartments and labels →
 * decision → seal → blocks durable → one SQL transaction with versions, index, audit and what waits to be anchored.
 * All of the intents happen or none.
 *
 * @throws ConsentryError `precondition-failed` (If-Match), `conflict` (claimed by a concurrent conditional create, or a Patient's id that
 * records of another entity name),
 * `forbidden` and `unavailable` as the decision says, `invalid` for an unknown patient and for what breaks a profile of
 * ours that it claims.
 */
export async function write(
  parts: GatewayParts,
  request: InteractionRequest,
  trail: Trail,
  intents: readonly Intent[],
): Promise<Written[]> {
  intents.forEach(refuseDefinition)
  await requireConformance(parts, intents)
  for (let attempt = 1; ; attempt++) {
    const done = await attemptWrite(parts, request, trail, intents)
    if (done !== 'overtaken') return done
    if (attempt === ATTEMPTS) {
      throw overtaken('Other writers keep changing the same resource; try again.')
    }
  }
}

interface Draft {
  readonly intent: Intent
  readonly previous: StoredVersion | null
  readonly version: number
  readonly lastUpdated: number
  readonly action: Action
  readonly resource: Resource
  readonly subject: RecordSubject
}

async function attemptWrite(
  parts: GatewayParts,
  request: InteractionRequest,
  trail: Trail,
  intents: readonly Intent[],
): Promise<Written[] | 'overtaken'> {
  const previous = await previousVersions(parts, intents)
  const live = intents.map((intent, i) => !(intent.kind === 'delete' && isAbsent(previous[i] ?? null)))
  // To another entity's party, what does not exist is what it may not touch.
  if (live.includes(false) && isForeign(parts, request)) throw notForOthers()
  const { patients, links } = await patientsOf(parts, intents, previous)
  const drafts = draft(parts, trail, intents, previous, live, patients)
  const localIds = await localPatientIds(parts, drafts)
  for (const patient of drafts.flatMap(patientsLeft)) trail.concerns(patient, localIds(patient))
  const decided = await decideAll(parts, request, drafts)
  // Only now: whoever is denied learns neither that a resource exists nor its version.
  intents.forEach((intent, i) => checkIfMatch(intent, previous[i] ?? null))
  intents.forEach((intent, i) => checkBasis(intent, previous[i] ?? null))
  intents.forEach((intent, i) => refuseShared(intent, previous[i] ?? null))
  await refuseLedgers(parts, intents)
  const taken = links.length > 0 ? await parts.patients.link(links) : []
  if (taken.length > 0) throw takenIds(taken, intents)

  const { versions, bodies } = await sealVersions(
    parts,
    drafts.map((d) => ({ ...d, type: d.intent.type, id: d.intent.id, deleted: d.intent.kind === 'delete' })),
  )
  const audit = parts.audit.records(
    drafts.map((d) =>
      occurrence(request, parts.clock(), {
        interaction: d.action === 'create' ? 'create' : d.intent.kind === 'delete' ? 'delete' : 'update',
        outcome: '0',
        patients: patientsConcerned(d).map((id) => ({ id, reference: localIds(id) })),
        data: [{ reference: `${d.intent.type}/${d.intent.id}`, version: d.version }],
      }),
    ),
  )
  await parts.access.confirm(request.principal, decided)
  const claims = intents.flatMap((intent) => (intent.kind !== 'delete' && intent.claim ? [intent.claim] : []))
  const result = await parts.records.commit({ versions, audit, claims })
  if (!result.committed) {
    if (result.conflicts.some((conflict) => conflict.kind === 'claim')) {
      throw overtaken('Another request is creating the same resource under this condition; try again.')
    }
    return 'overtaken'
  }
  parts.committed()
  return report(intents, drafts, bodies, previous)
}

async function previousVersions(parts: GatewayParts, intents: readonly Intent[]): Promise<(StoredVersion | null)[]> {
  const asked = intents.filter((intent) => intent.kind !== 'create')
  const found = asked.length === 0 ? [] : await parts.records.read(asked)
  const byIntent = new Map(asked.map((intent, i) => [intent, found[i] ?? null]))
  return intents.map((intent) => byIntent.get(intent) ?? null)
}

function isAbsent(previous: StoredVersion | null): boolean {
  return previous === null || previous.deleted
}

function checkIfMatch(intent: Intent, previous: StoredVersion | null): void {
  if (intent.kind !== 'delete' && intent.ifAbsent === true && !isAbsent(previous)) {
    throw new ConsentryError(
      'precondition-failed',
      `If-None-Match: * allows no ${intent.type}/${intent.id}; it exists.`,
      {
        expression: [intent.at],
      },
    )
  }
  const wanted = intent.kind === 'create' ? undefined : intent.ifMatch
  if (wanted === undefined) return
  const found = isAbsent(previous) ? null : (previous as StoredVersion).version
  if (found === wanted) return
  throw new ConsentryError(
    'precondition-failed',
    `If-Match names version ${wanted} of ${intent.type}/${intent.id}; ${found === null ? 'it does not exist' : `the current version is ${found}`}.`,
    { expression: [intent.at] },
  )
}

function checkBasis(intent: Intent, previous: StoredVersion | null): void {
  if (intent.kind === 'delete' || intent.basis === undefined || intent.basis === previous?.version) return
  throw overtaken('Other writers keep changing the resource that the patch is for; try again.')
}

/** What another entity shares with us is its own to change; we hold a copy that follows. */
function refuseShared(intent: Intent, previous: StoredVersion | null): void {
  if (previous === null || previous.source === null) return
  throw new ConsentryError(
    'forbidden',
    `${intent.type}/${intent.id} was written by another entity and is shared with this one to read; its author changes it.`,
    { expression: [intent.at] },
  )
}

/** A Consent that stands for a grant says what the ledger says, so that it can neither be changed nor deleted besides. */
async function refuseLedgers(parts: GatewayParts, intents: readonly Intent[]): Promise<void> {
  const consents = intents.filter(({ type }) => type === 'Consent')
  const linked = new Set((await parts.consents.of(consents.map(({ id }) => id))).map(({ consentId }) => consentId))
  const refused = consents.filter(({ id }) => linked.has(id))
  if (refused.length === 0) return
  throw new ConsentryError('conflict', 'This Consent stands for a grant on the ledger.', {
    issues: refused.slice(0, 20).map(({ id, at }) => ({
      severity: 'error',
      code: 'business-rule',
      diagnostics: `Consent/${id} stands for a grant on the ledger and follows it: take it back with $revoke, and propose a new Consent for other terms.`,
      expression: [at],
    })),
  })
}

function draft(
  parts: GatewayParts,
  trail: Trail,
  intents: readonly Intent[],
  previous: readonly (StoredVersion | null)[],
  live: readonly boolean[],
  patients: readonly (CompartmentPatient | null)[],
): Draft[] {
  const now = parts.clock()
  return intents.flatMap((intent, i): Draft[] => {
    if (!live[i]) return []
    const before = previous[i] ?? null
    const version = (before?.version ?? 0) + 1
    // Time never runs backwards within one resource, whatever the clock does.
    const lastUpdated = Math.max(now, (before?.lastUpdated ?? 0) + 1)
    const patient = patients[i] ?? null
    const origin = before?.origin ?? parts.entity
    const common = { intent, previous: before, version, lastUpdated }
    if (patient !== null) trail.concerns(patient.id, patient.reference)
    trail.touches(`${intent.type}/${intent.id}`, version)
    if (intent.kind === 'delete') {
      const subject = subjectOf(before as StoredVersion)
      return [
        {
          ...common,
          action: 'delete',
          subject,
          resource: stamped({ resourceType: intent.type }, intent.id, version, lastUpdated),
        },
      ]
    }
    const categories = categoryBits(clinicalCategories(intent.resource).filter(isCategory))
    const subject = { patient: patient?.id ?? null, origin, labels: labelBits(labelsOf(intent.resource)), categories }
    const action = isAbsent(before) ? 'create' : 'update'
    return [{ ...common, action, subject, resource: stamped(intent.resource, intent.id, version, lastUpdated) }]
  })
}

function subjectOf({ patient, origin, labels, categories }: RecordSubject): RecordSubject {
  return { patient, origin, labels, categories }
}

/**
 * Every action needs its permit: a create for what is new, an update for what was there and for what replaces it. What was
 * deleted in one patient's compartment does not come back in another's without a permit for both.
 */
async function decideAll(
  parts: GatewayParts,
  request: InteractionRequest,
  drafts: readonly Draft[],
): Promise<Disclosed[]> {
  const subjects = new Map<Action, RecordSubject[]>()
  for (const { action, subject, previous } of drafts) {
    const asked = subjects.get(action) ?? []
    asked.push(subject)
    if (action !== 'delete' && previous !== null) asked.push(subjectOf(previous))
    subjects.set(action, asked)
  }
  return Promise.all(
    Array.from(subjects, async ([action, asked]) => ({
      permit: await parts.access.permit(request.principal, action, asked),
      subjects: asked,
    })),
  )
}

/** A record that moves is taken from one patient and given to another: both learn of it. */
function patientsConcerned({ subject, previous }: Draft): PatientId[] {
  return [...new Set([subject.patient, previous?.patient ?? null])].filter((id) => id !== null)
}

function patientsLeft(draft: Draft): PatientId[] {
  return patientsConcerned(draft).filter((id) => id !== draft.subject.patient)
}

async function localPatientIds(parts: GatewayParts, drafts: readonly Draft[]): Promise<(id: PatientId) => string> {
  const patients = [...new Set(drafts.flatMap(patientsConcerned))]
  const localIds = await parts.patients.localIds(patients)
  return (id) => `Patient/${localIds.get(id)?.[0] ?? 'unknown'}`
}

function report(
  intents: readonly Intent[],
  drafts: readonly Draft[],
  bodies: readonly Uint8Array[],
  previous: readonly (StoredVersion | null)[],
): Written[] {
  const byIntent = new Map(drafts.map((d, i) => [d.intent, { d, body: bodies[i] as Uint8Array }]))
  return intents.map((intent, i): Written => {
    const { type, id } = intent
    const done = byIntent.get(intent)
    if (!done) {
      const before = previous[i] ?? null
      return { type, id, version: before?.version ?? 0, lastUpdated: before?.lastUpdated ?? 0, outcome: 'unchanged' }
    }
    const { version, lastUpdated, action } = done.d
    if (intent.kind === 'delete') return { type, id, version, lastUpdated, outcome: 'deleted' }
    return { type, id, version, lastUpdated, outcome: action === 'create' ? 'created' : 'updated', body: done.body }
  })
}

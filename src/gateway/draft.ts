import { labelBits } from '../consent/labels.js'
import { type Action, type PatientId, patientsOf, type RecordSubject } from '../consent/permit.js'
import { categoryBits, isCategory } from '../consent/terms.js'
import { clinicalCategories } from '../fhir/clinical-categories.js'
import { labelsOf } from '../fhir/labels-of.js'
import { recordFacts } from '../fhir/record-facts.js'
import type { Resource } from '../fhir/types.js'
import type { StoredVersion } from '../records/types.js'
import type { Intent } from './intent.js'
import type { GatewayParts } from './parts.js'
import type { NamedPatients } from './patient-compartment.js'
import type { Trail } from './trail.js'
import { stamped } from './versions.js'

/** What an intent comes to, before it is decided. */
export interface IntendedVersion {
  readonly intent: Intent
  readonly previous: StoredVersion | null
  readonly version: number
  readonly lastUpdated: number
  readonly action: Action
  readonly resource: Resource
  readonly subject: RecordSubject
}

/** What each intent is about; the place of a create is empty. */
export async function previousVersions(
  parts: GatewayParts,
  intents: readonly Intent[],
): Promise<(StoredVersion | null)[]> {
  const asked = intents.filter((intent) => intent.kind !== 'create')
  const found = asked.length === 0 ? [] : await parts.records.read(asked)
  const byIntent = new Map(asked.map((intent, i) => [intent, found[i] ?? null]))
  return intents.map((intent) => byIntent.get(intent) ?? null)
}

export function isAbsent(previous: StoredVersion | null): boolean {
  return previous === null || previous.deleted
}

/** A delete of what is not there changes nothing, and the intent has no version. */
export function isIdle(intent: Intent, previous: StoredVersion | null): boolean {
  return intent.kind === 'delete' && isAbsent(previous)
}

/** @param patients in whose compartment each lies; the trail names patients and versions from then on */
export function intendedVersions(
  parts: GatewayParts,
  trail: Trail,
  intents: readonly Intent[],
  previous: readonly (StoredVersion | null)[],
  patients: readonly NamedPatients[],
): IntendedVersion[] {
  const now = parts.clock()
  return intents.flatMap((intent, i): IntendedVersion[] => {
    const before = previous[i] ?? null
    if (isIdle(intent, before)) return []
    const version = (before?.version ?? 0) + 1
    // Time never runs backwards within one resource, whatever the clock does.
    const lastUpdated = Math.max(now, (before?.lastUpdated ?? 0) + 1)
    const { patient, others } = patients[i] ?? { patient: null, others: [] }
    for (const { id, reference } of patient === null ? others : [patient, ...others]) trail.concerns(id, reference)
    trail.touches(`${intent.type}/${intent.id}`, version)
    const common = { intent, previous: before, version, lastUpdated }
    if (intent.kind === 'delete') {
      const resource = stamped({ resourceType: intent.type }, intent.id, version, lastUpdated)
      return [{ ...common, action: 'delete', subject: subjectOf(before as StoredVersion), resource }]
    }
    const resource = stamped(parts.sensitivity.labelled(intent.resource), intent.id, version, lastUpdated)
    const subject = {
      patient: patient?.id ?? null,
      others: others.length === 0 ? null : others.map(({ id }) => id),
      origin: before?.origin ?? parts.entity,
      labels: labelBits(labelsOf(resource)),
      categories: categoryBits(clinicalCategories(intent.resource).filter(isCategory)),
      facts: parts.index.facts(recordFacts(resource)),
    }
    const action = isAbsent(before) ? 'create' : 'update'
    return [{ ...common, action, subject, resource }]
  })
}

/**
 * Every action needs its permit: a create for what is new, an update for what was there and for what replaces it. What was
 * deleted in one patient's compartment does not come back in another's without a permit for both.
 */
export function subjectsByAction(drafts: readonly IntendedVersion[]): Map<Action, RecordSubject[]> {
  const subjects = new Map<Action, RecordSubject[]>()
  for (const { action, subject, previous } of drafts) {
    const asked = subjects.get(action) ?? []
    asked.push(subject)
    if (action !== 'delete' && previous !== null) asked.push(subjectOf(previous))
    subjects.set(action, asked)
  }
  return subjects
}

/** A record that moves is taken from one patient and given to another: both learn of it. */
export function patientsConcerned({ subject, previous }: IntendedVersion): PatientId[] {
  return [...new Set([subject, ...(previous === null ? [] : [previous])].flatMap(patientsOf))]
}

/** References to the patients concerned, as `Patient/id` of this server. */
export async function localPatients(
  parts: GatewayParts,
  drafts: readonly IntendedVersion[],
): Promise<(id: PatientId) => string> {
  const patients = [...new Set(drafts.flatMap(patientsConcerned))]
  const localIds = await parts.patients.localIds(patients)
  return (id) => `Patient/${localIds.get(id)?.[0] ?? 'unknown'}`
}

function subjectOf({ patient, origin, labels, categories, others = null, facts = null }: RecordSubject): RecordSubject {
  return { patient, others, origin, labels, categories, facts }
}

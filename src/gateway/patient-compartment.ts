import type { PatientId } from '../consent/permit.js'
import { ConsentryError } from '../errors.js'
import { patientReferences } from '../fhir/compartments.js'
import { type ParsedReference, parseReference, referencesOf } from '../fhir/references.js'
import type { Resource } from '../fhir/types.js'
import type { StoredVersion } from '../records/types.js'
import type { GatewayParts } from './parts.js'
import type { Intent, PutIntent } from './intent.js'
import type { KnownPatient } from './patients.js'

/** Identifier system of the ledger's patient ids: links a Patient to one that is registered elsewhere. */
export const PATIENT_ID_SYSTEM = 'https://consentry.health/fhir/sid/patient-id'

export interface CompartmentPatient {
  readonly id: PatientId
  /** `Patient/id` of this server. */
  readonly reference: string
}

/** Whose consent a resource takes. */
export interface NamedPatients {
  /** In whose compartment it lies; `null`: in nobody's. */
  readonly patient: CompartmentPatient | null
  /** Everybody else of this server whom it names, in whose compartment it is too or by a reference anywhere. */
  readonly others: readonly CompartmentPatient[]
}

export interface Placement {
  readonly patients: readonly NamedPatients[]
  /** New Patient resources of patients who are registered elsewhere: to be linked once the write is permitted. */
  readonly links: readonly { readonly localId: string; readonly patient: PatientId }[]
  /** Patients who are here and must still be when this is committed: something new is said of them. */
  readonly present: readonly string[]
}

/**
 * The patient in whose compartment each intended resource lies; `null`: in nobody's.
 *
 * A Patient that is new here is registered on the ledger, or linked if it carries the ledger's id of one who is
 * registered already. A reference that places a resource in a compartment must resolve here or among the intents:
 * an unknown patient has no consent to ask, and of a deleted one nothing new is said. Each patient of this server whom a resource names
 * besides is to be asked too, wherever it names them.
 *
 * @param mayAdmit asked before somebody is registered; what it throws ends the write before that
 * @param others for a party of another entity: it registers nobody, and hears nothing of who is known
 * @returns `null` to such a party, for patients who are not known
 * @throws ConsentryError `invalid` for a reference to an unknown patient, and for too many patients; `conflict`
 *   for a new Patient whose id another entity's records name.
 */
export async function patientsOf(
  parts: GatewayParts,
  intents: readonly Intent[],
  previous: readonly (StoredVersion | null)[],
  mayAdmit: () => Promise<unknown>,
  others = false,
): Promise<Placement | null> {
  const wanted = intents.map((intent) => (intent.kind === 'delete' ? [] : localPatientsOf(intent)))
  const named = intents.map((intent) => (intent.kind === 'delete' ? [] : patientsNamedIn(intent)))
  const asked = new Set([...wanted.flat().map(({ id }) => id), ...named.flat()])
  const linkedBefore = await parts.patients.known([...asked])
  const known = new Map([...linkedBefore].map(([localId, { id }]) => [localId, id]))
  const created = new Map(
    intents.flatMap((intent) => (intent.type === 'Patient' && intent.kind !== 'delete' ? [[intent.id, intent]] : [])),
  )
  const deleted = new Set(
    intents.flatMap((intent) => (intent.type === 'Patient' && intent.kind === 'delete' ? [intent.id] : [])),
  )
  const present = new Set<string>()
  const stateOf = (localId: string, i: number): KnownPatient['state'] => {
    if (created.has(localId)) return 'present'
    const { id, state = 'absent' } = linkedBefore.get(localId) ?? {}
    // What is in the compartment can still be corrected, whatever became of the Patient.
    if (id !== undefined && id === previous[i]?.patient && previous[i]?.deleted === false) return 'present'
    if (deleted.has(localId)) return 'deleted'
    if (state === 'present') present.add(localId)
    return state
  }
  const isUnknown = (id: string): boolean => !known.has(id) && !created.has(id)
  const unknown = unknownAmong(wanted, stateOf)
  if (others && (unknown.length > 0 || named.flat().some(isUnknown))) return null
  if (unknown.length > 0) throw unknownPatients(unknown)

  const fresh = [...created.values()].filter(({ id }) => !known.has(id))
  const linked = fresh.flatMap((intent) => {
    const patient = ledgerIdOf(intent.resource)
    return patient === null ? [] : [{ localId: intent.id, patient }]
  })
  for (const { localId, patient } of linked) known.set(localId, patient)
  // Whose registration failed, or was never heard of, is registered again: the ledger skips whom it has.
  const halfway = [...created.keys()].filter((id) => {
    const { state, ours } = linkedBefore.get(id) ?? {}
    return state === 'absent' && ours === true
  })
  const unregistered = [...fresh.filter(({ id }) => !known.has(id)).map(({ id }) => id), ...halfway]
  if (unregistered.length > 0 && others) return null
  if (unregistered.length > 0) {
    await mayAdmit()
    const done = await parts.patients.admitNew(unregistered)
    if ('taken' in done) throw takenIds(done.taken, intents)
    for (const [localId, patient] of done.admitted) known.set(localId, patient)
  }
  const patients = intents.map((_, i): NamedPatients => {
    const inside = distinct(wanted[i]?.map(({ id }) => id) ?? [], known)
    const patient = inside[0] ?? unchanged(previous[i] ?? null, wanted[i] ?? [])
    const all = distinct([...(wanted[i]?.map(({ id }) => id) ?? []), ...(named[i] ?? [])], known)
    return { patient, others: all.filter(({ id }) => id !== patient?.id) }
  })
  requireNotTooMany(patients, intents)
  return { patients, links: linked, present: [...present] }
}

interface LocalPatient {
  readonly id: string
  readonly at: string
}

/**
 * Local Patient ids by which a resource enters a compartment. URLs of this server were made relative before, so any that is
 * left is of somebody else's Patient, or an alias of ours: neither can be asked for consent here. Nor can whoever a search or a
 * URN would find: kept as they are, they would leave the record in nobody's compartment.
 */
function localPatientsOf({ type, id, resource, at }: PutIntent): LocalPatient[] {
  if (type === 'Patient') return [{ id, at }]
  if (type === 'Binary') requirePatientContext(resource, at)
  const found = patientReferences(resource).map(({ reference, path }) => ({
    parsed: parseReference(reference),
    at: `${at}.${path}`,
  }))
  const nobody = found.flatMap(({ parsed, at: place }) => {
    const what = NOBODY[parsed.kind]
    return what === undefined ? [] : [{ at: place, what }]
  })
  if (nobody.length > 0) throw unknownPatients(nobody)
  return found.flatMap(({ parsed, at: place }) =>
    parsed.kind === 'relative' && parsed.type === 'Patient' ? [{ id: parsed.id, at: place }] : [],
  )
}

/** "Treat the binary as if it was the other resource": of a Patient that can be kept, of anything else it could change with it. */
function requirePatientContext(binary: Resource, at: string): void {
  const { reference } = (binary['securityContext'] ?? {}) as { reference?: unknown }
  if (reference === undefined) return
  const parsed = typeof reference === 'string' ? parseReference(reference) : null
  if (parsed !== null && 'type' in parsed && parsed.type === 'Patient') return
  throw new ConsentryError('invalid', 'The security context of a Binary is served as a Patient of this server alone.', {
    code: 'not-supported',
    expression: [`${at}.securityContext`],
  })
}

const ELSEWHERE = 'The reference is a URL that is not below this server’s base; refer to the Patient as Patient/[id].'

/** By kind of reference, why it means nobody here: what a Bundle could resolve is resolved by now. */
const NOBODY: Readonly<Partial<Record<ParsedReference['kind'], string>>> = {
  absolute: ELSEWHERE,
  url: ELSEWHERE,
  conditional:
    'A conditional reference is resolved in a transaction or batch alone; refer to the Patient as Patient/[id], or send the resource in one.',
  urn: 'A URN means an entry of the same transaction, and none has it as its fullUrl; refer to the Patient as Patient/[id].',
}

const REASON: Readonly<Record<Exclude<KnownPatient['state'], 'present'>, string>> = {
  absent: 'does not exist on this server: create the Patient first, or in the same transaction.',
  deleted: 'was deleted: nothing new can be said of it until it is written again.',
}

/** @param stateOf of a Patient, for the intent of that place */
function unknownAmong(
  wanted: readonly LocalPatient[][],
  stateOf: (localId: string, intent: number) => KnownPatient['state'],
): { at: string; what: string }[] {
  return wanted.flatMap((patients, i) =>
    patients.flatMap(({ id, at }) => {
      const state = stateOf(id, i)
      return state === 'present' ? [] : [{ at, what: `Patient/${id} ${REASON[state]}` }]
    }),
  )
}

function unknownPatients(places: readonly { readonly at: string; readonly what: string }[]): ConsentryError {
  return new ConsentryError('invalid', 'A patient who is not known here has no consent to ask.', {
    issues: places.slice(0, 20).map(({ at, what }) => ({
      severity: 'error',
      code: 'not-found',
      diagnostics: what,
      expression: [at],
    })),
  })
}

/** Patients, each once, whatever the number of Patient resources that they have here. Ids that nobody has are nobody's. */
function distinct(localIds: readonly string[], known: ReadonlyMap<string, PatientId>): CompartmentPatient[] {
  const patients = new Map<PatientId, CompartmentPatient>()
  for (const localId of localIds) {
    const id = known.get(localId)
    if (id !== undefined && !patients.has(id)) patients.set(id, { id, reference: `Patient/${localId}` })
  }
  return [...patients.values()]
}

/** Ids of Patients to whom the resource, or one inside of it, refers at any place. */
function patientsNamedIn({ resource }: PutIntent): string[] {
  const named = referencesOf(resource).flatMap(({ reference: { reference } }) => {
    const parsed = typeof reference === 'string' ? parseReference(reference) : null
    return parsed?.kind === 'relative' && parsed.type === 'Patient' ? [parsed.id] : []
  })
  return [...new Set(named)]
}

/** Every one of them is asked for at each reading. */
const MOST_NAMED = 1_000

function requireNotTooMany(patients: readonly NamedPatients[], intents: readonly Intent[]): void {
  const at = patients.findIndex(({ others }) => others.length >= MOST_NAMED)
  if (at === -1) return
  throw new ConsentryError(
    'invalid',
    `A resource names ${MOST_NAMED} patients at most, since each must permit its use.`,
    {
      code: 'too-costly',
      expression: [intents[at]?.at ?? ''],
    },
  )
}

/** Whoever got such an id would be whom records of another entity speak of. */
export function takenIds(taken: readonly string[], intents: readonly Intent[]): ConsentryError {
  const refused = intents.filter(({ type, id }) => type === 'Patient' && taken.includes(id))
  return new ConsentryError('conflict', 'Records that another entity shares with this one name a Patient of this id.', {
    issues: refused.slice(0, 20).map(({ id, at }) => ({
      severity: 'error',
      code: 'duplicate',
      diagnostics: `Patient/${id} is named by records that another entity shares with this one, where it is somebody else: create the Patient under another id, or with POST, which gives one.`,
      expression: [`${at}.id`],
    })),
  })
}

/** What names no patient, as a delete does, stays in the compartment where it was; `localPatients` knows the patient's name. */
function unchanged(previous: StoredVersion | null, wanted: readonly LocalPatient[]): CompartmentPatient | null {
  if (previous === null || previous.patient === null || wanted.length > 0) return null
  return { id: previous.patient, reference: `${previous.type}/${previous.id}` }
}

function ledgerIdOf(patient: Resource): PatientId | null {
  const identifiers: unknown = patient['identifier']
  if (!Array.isArray(identifiers)) return null
  for (const { system, value } of identifiers as { system?: unknown; value?: unknown }[]) {
    if (system === PATIENT_ID_SYSTEM && typeof value === 'string' && /^0x[0-9a-fA-F]{64}$/.test(value)) {
      return value.toLowerCase() as PatientId
    }
  }
  return null
}

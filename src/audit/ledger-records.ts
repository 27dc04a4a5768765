import { createHash } from 'node:crypto'
import { maskOfLabelId, labelCodes } from '../consent/labels.js'
import type { PartyId, PatientId } from '../consent/permit.js'
import { purposesOf, WORD_ACTIONS } from '../consent/terms.js'
import { unpackWord } from '../consent/word.js'
import type { Resource } from '../fhir/types.js'
import { uuidForm } from '../records/uuid-form.js'
import type { TrailRecord } from './audit-trail.js'
import { coding, concept, DCM, ENTITY_TYPE, evidenceExtension, OBJECT_ROLE, PARTY_SYSTEM } from './balp.js'
import type { LedgerFact } from './ledger-facts.js'
import type { LedgerEvidence } from './occurrence.js'

const PATIENT_SYSTEM = 'https://consentry.health/fhir/sid/patient-id'
const LEDGER_EVENT = 'https://consentry.health/fhir/CodeSystem/ledger-event'
const DATA_OPERATION = 'http://terminology.hl7.org/CodeSystem/v3-DataOperation'
const PROVENANCE_PROFILE = 'https://consentry.health/fhir/StructureDefinition/ledger-provenance'
/** Targets of one Provenance. */
const TARGETS = 500

/** What the records of a fact need besides the fact. */
export interface FactContext {
  readonly entity: PartyId
  readonly evidence: LedgerEvidence
  /** `Patient/id` here; absent: known by the ledger's id only. */
  readonly localPatient: ReadonlyMap<PatientId, string>
  /** The versions of an anchored batch in the order of its tree. */
  readonly members: readonly BatchMember[]
}

export interface BatchMember {
  readonly type: string
  readonly id: string
  readonly version: number
  readonly deleted: boolean
  readonly patient: PatientId | null
}

type Action = 'C' | 'U' | 'D' | 'E'

const ACTION: Readonly<Record<string, Action>> = {
  ConsentGranted: 'C',
  ConsentRevoked: 'D',
  AllConsentsRevoked: 'D',
  GlassBroken: 'C',
  EmergencyVetoChanged: 'U',
  AccessRequested: 'C',
  AccessRefused: 'U',
  AccessRequestWithdrawn: 'U',
  CustodyEnded: 'U',
  PatientRegistered: 'C',
  RecordsAnchored: 'C',
}

/** The id of the n-th record that an outbox row becomes: always the same, so that it is written once. In the form of a UUID. */
export function factRecordId(
  entity: PartyId,
  { block, logIndex }: Pick<LedgerFact, 'logIndex'> & { readonly block: { readonly hash: string } },
  outboxId: string,
  n: number,
): string {
  return uuidForm(createHash('sha256').update(`${entity}|${block.hash}|${logIndex}|${outboxId}|${n}`).digest('hex'))
}

/** An AuditEvent of a ledger event, and for an anchored batch a Provenance for each patient and kind of change. */
export function factRecords(fact: LedgerFact, context: FactContext): TrailRecord[] {
  const audit = { resource: auditEvent(fact, context, [ledgerEvent(fact.name)]), patient: patientOf(fact) }
  return fact.name === 'RecordsAnchored' ? [audit, ...provenances(fact, context)] : [audit]
}

/** The further AuditEvent that says that an earlier one's block has left the chain. */
export function undoneRecord(fact: LedgerFact, context: FactContext, earlier: string): TrailRecord {
  const resource = auditEvent(fact, context, [ledgerEvent('LedgerEventUndone'), ledgerEvent(fact.name)])
  const told = {
    what: { reference: `AuditEvent/${earlier}` },
    type: coding(ENTITY_TYPE, '2', 'System Object'),
    role: coding(OBJECT_ROLE, '4', 'Domain Resource'),
  }
  return {
    resource: {
      ...resource,
      action: 'E',
      outcomeDesc: 'The block that held this event has left the chain in a reorganisation; what it said is undone.',
      entity: [...(resource['entity'] as object[]), told],
    },
    patient: patientOf(fact),
  }
}

function auditEvent(fact: LedgerFact, context: FactContext, subtype: object[]): Resource {
  return {
    resourceType: 'AuditEvent',
    extension: [evidenceExtension(context.evidence)],
    type: { system: DCM, code: '110113', display: 'Security Alert' },
    subtype,
    action: ACTION[fact.name] ?? 'E',
    recorded: new Date(fact.block.timestamp * 1000).toISOString(),
    outcome: '0',
    agent: agents(fact),
    source: { observer: { identifier: { system: PARTY_SYSTEM, value: context.entity } } },
    entity: entities(fact, context),
  }
}

/** Who caused the event comes first; then who gains or loses by it. */
function agents({ name, args }: LedgerFact): object[] {
  const party = (value: unknown, code: string, display: string, requestor: boolean): object => ({
    type: concept(DCM, code, display),
    who: { identifier: { system: PARTY_SYSTEM, value: String(value) } },
    requestor,
  })
  const patient = {
    type: concept('http://terminology.hl7.org/CodeSystem/v3-RoleClass', 'PAT', 'patient'),
    who: { identifier: { system: PATIENT_SYSTEM, value: String(args['patient']) } },
    requestor: true,
  }
  const destination = party(args['grantee'], '110152', 'Destination Role ID', false)
  switch (name) {
    case 'ConsentGranted':
    case 'ConsentRevoked':
      return [patient, destination]
    case 'AccessRefused':
      return [patient, destination]
    case 'CustodyEnded':
      return [patient, party(args['entity'], '110150', 'Application', false)]
    case 'AllConsentsRevoked':
    case 'EmergencyVetoChanged':
      return [patient]
    case 'GlassBroken':
    case 'AccessRequested':
    case 'AccessRequestWithdrawn':
      return [party(args['grantee'], '110152', 'Destination Role ID', true)]
    default:
      return [party(args['entity'], '110150', 'Application', true)]
  }
}

function entities({ name, args }: LedgerFact, context: FactContext): object[] {
  const list: object[] = []
  const patient = args['patient'] as PatientId | undefined
  if (patient !== undefined) {
    const local = context.localPatient.get(patient)
    const identifier = { system: PATIENT_SYSTEM, value: patient }
    list.push({
      what: local === undefined ? { type: 'Patient', identifier } : { reference: local, identifier },
      type: coding(ENTITY_TYPE, '1', 'Person'),
      role: coding(OBJECT_ROLE, '1', 'Patient'),
    })
  }
  const details = detailsOf(name, args)
  if (details.length > 0) {
    list.push({
      type: coding(ENTITY_TYPE, '2', 'System Object'),
      role:
        name === 'RecordsAnchored' ? coding(OBJECT_ROLE, '20', 'Job') : coding(OBJECT_ROLE, '13', 'Security Resource'),
      detail: details.map(([type, valueString]) => ({ type, valueString })),
    })
  }
  return list
}

function detailsOf(name: string, args: Readonly<Record<string, unknown>>): [string, string][] {
  const details: [string, string][] = []
  if (typeof args['label'] === 'string') details.push(['label', labelText(args['label'])])
  if (args['actions'] !== undefined) {
    const actions = WORD_ACTIONS.filter((_, i) => (Number(args['actions']) & (1 << i)) !== 0)
    details.push(['actions', actions.join(' ')])
  }
  if (args['consent'] !== undefined) {
    const { from, to, purposes, categories } = unpackWord(BigInt(args['consent'] as string))
    details.push(['purposes', purposesOf(purposes).join(' ')], ['categories', `0x${categories.toString(16)}`])
    details.push(['from', String(from)], ['to', String(to)])
  }
  for (const key of ['packageHash', 'epoch', 'reasonHash', 'root', 'manifest', 'count']) {
    const value = args[key]
    if (typeof value === 'string' || typeof value === 'number') details.push([key, String(value)])
  }
  if (typeof args['vetoed'] === 'boolean') details.push(['vetoed', String(args['vetoed'])])
  if (typeof args['request'] === 'string') details.push(['request', args['request']])
  return name === 'PatientRegistered' ? [] : details
}

function labelText(id: string): string {
  const mask = maskOfLabelId(id)
  if (mask === null) return id
  return mask === -1n ? 'all labels' : labelCodes(mask).join(' ')
}

function provenances(fact: LedgerFact, context: FactContext): TrailRecord[] {
  const groups = new Map<string, BatchMember[]>()
  for (const member of context.members) {
    const key = `${member.patient ?? '-'}|${activityOf(member)}`
    const group = groups.get(key)
    if (group) group.push(member)
    else groups.set(key, [member])
  }
  return [...groups.values()].flatMap((group) =>
    Array.from({ length: Math.ceil(group.length / TARGETS) }, (_, i) =>
      provenance(fact, context, group.slice(i * TARGETS, (i + 1) * TARGETS)),
    ),
  )
}

/** fhir-profiles/StructureDefinition-ledger-provenance.json */
function provenance(fact: LedgerFact, { evidence, entity }: FactContext, members: readonly BatchMember[]): TrailRecord {
  const [first] = members as readonly [BatchMember]
  const resource: Resource = {
    resourceType: 'Provenance',
    meta: { profile: [PROVENANCE_PROFILE] },
    extension: [evidenceExtension(evidence)],
    target: members.map(({ type, id, version }) => ({ reference: `${type}/${id}/_history/${version}` })),
    recorded: new Date(fact.block.timestamp * 1000).toISOString(),
    activity: concept(DATA_OPERATION, activityOf(first)),
    agent: [
      {
        type: concept('http://terminology.hl7.org/CodeSystem/provenance-participant-type', 'author', 'Author'),
        who: { identifier: { system: PARTY_SYSTEM, value: entity } },
      },
    ],
  }
  return { resource, patient: first.patient }
}

function activityOf({ deleted, version }: BatchMember): string {
  if (deleted) return 'DELETE'
  return version === 1 ? 'CREATE' : 'UPDATE'
}

function ledgerEvent(code: string): object {
  return { system: LEDGER_EVENT, code }
}

function patientOf({ args }: LedgerFact): PatientId | null {
  return (args['patient'] as PatientId | undefined) ?? null
}

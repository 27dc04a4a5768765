import type { PatientId } from '../consent/permit.js'
import type { Resource } from '../fhir/types.js'
import type { AuditedAgent, LedgerEvidence, Occurrence } from './occurrence.js'

/** IHE Basic Audit Log Patterns 1.1.4, https://profiles.ihe.net/ITI/BALP/1.1.4/ */
const PROFILE = 'https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.'
export const DCM = 'http://dicom.nema.org/resources/ontology/DCM'
const RESTFUL = 'http://hl7.org/fhir/restful-interaction'
export const ENTITY_TYPE = 'http://terminology.hl7.org/CodeSystem/audit-entity-type'
export const OBJECT_ROLE = 'http://terminology.hl7.org/CodeSystem/object-role'
/** Keeps the authorisation apart from BALP's slices, which go by the codes of audit-entity-type. */
const RESOURCE_TYPES = 'http://hl7.org/fhir/resource-types'
const BALP_ENTITY = 'https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType'
const USER_AGENT = 'https://profiles.ihe.net/ITI/BALP/CodeSystem/UserAgentTypes'
const ACT_REASON = 'http://terminology.hl7.org/CodeSystem/v3-ActReason'
export const PARTY_SYSTEM = 'https://consentry.health/fhir/sid/party'
/** SHA-256 of a capsule, base64. */
export const CAPSULE_SYSTEM = 'https://consentry.health/fhir/sid/capsule'
const CLIENT_SYSTEM = 'https://consentry.health/fhir/sid/client'
const EVIDENCE = 'https://consentry.health/fhir/StructureDefinition/ledger-evidence'

type Action = 'C' | 'R' | 'U' | 'D' | 'E'

/** Which BALP pattern an interaction follows. Data flows to the client in a read, from it in a query's request. */
const PATTERN: Readonly<Record<string, { action: Action; profile: string }>> = {
  create: { action: 'C', profile: 'Create' },
  read: { action: 'R', profile: 'Read' },
  vread: { action: 'R', profile: 'Read' },
  update: { action: 'U', profile: 'Update' },
  patch: { action: 'U', profile: 'Update' },
  delete: { action: 'D', profile: 'Delete' },
  'search-type': { action: 'E', profile: 'Query' },
  'search-system': { action: 'E', profile: 'Query' },
  'search-compartment': { action: 'E', profile: 'Query' },
}

/** Codes of http://hl7.org/fhir/restful-interaction that say the same in fewer words. */
const RESTFUL_CODE: Readonly<Record<string, string>> = { 'search-compartment': 'search', $graphql: 'operation' }

/** What stays the same in all audit records of a gateway. */
export interface AuditSource {
  /** The entity's id on the ledger. */
  readonly entity: string
  /** FHIR base. */
  readonly baseUrl: string
}

/** An AuditEvent in parts, which together have all of its elements, each once. */
export interface AuditEventParts {
  readonly resource: Resource
  /** What it has in common with others of the batch; then it is the same object. */
  readonly shared: SharedElements
  /** Its list `entity`; those that others of the batch have too are the same objects. */
  readonly entity: readonly object[]
}

export type SharedElements = Readonly<Record<string, unknown>>

/** What events of a batch have in common: elements by agent and by what was done, entities by what they name. */
export class SharedParts {
  readonly #elements = new Map<AuditedAgent, Map<string, SharedElements>>()
  readonly #entities = new Map<string, object>()

  elements(agent: AuditedAgent, name: string, make: () => SharedElements): SharedElements {
    return once(
      once(this.#elements, agent, () => new Map<string, SharedElements>()),
      name,
      make,
    )
  }

  entity(name: string, make: () => object): object {
    return once(this.#entities, name, make)
  }
}

/** What is there under the key, or else made now and put there. */
export function once<K, V>(known: Map<K, V>, key: K, make: () => V): V {
  const found = known.get(key)
  if (found !== undefined) return found
  const made = make()
  known.set(key, made)
  return made
}

/**
 * One AuditEvent for each patient concerned, or one without a patient. A success claims the BALP profile that it
 * follows; those profiles fix the outcome, so a denial or failure has the same form without the claim.
 */
export function auditEvents(occurrence: Occurrence, source: AuditSource, batch: SharedParts): AuditEventParts[] {
  const patients = occurrence.patients.length === 0 ? [null] : occurrence.patients
  return patients.map((patient) => {
    const told = patient === null ? occurrence : about(occurrence, patient.id)
    const reference = patient?.reference ?? null
    const { evidence } = told
    return {
      resource: {
        resourceType: 'AuditEvent',
        ...(evidence === undefined ? {} : { extension: [evidenceExtension(evidence)] }),
      },
      shared: sharedElements(told, source, profileOf(told, reference), batch),
      entity: entities(told, reference, batch),
    }
  })
}

/** The event of one patient names no record of another. */
function about(occurrence: Occurrence, id: PatientId): Occurrence {
  const data = occurrence.data.filter(({ patient }) => patient === undefined || patient === null || patient === id)
  return data.length === occurrence.data.length ? occurrence : { ...occurrence, data }
}

function profileOf(occurrence: Occurrence, patient: string | null): string | null {
  const pattern = PATTERN[occurrence.interaction]
  if (pattern === undefined || !claimable(occurrence, pattern.action)) return null
  return `${PROFILE}${patient === null ? '' : 'Patient'}${pattern.profile}`
}

function sharedElements(
  occurrence: Occurrence,
  source: AuditSource,
  profile: string | null,
  batch: SharedParts,
): SharedElements {
  const { agent, interaction, outcome, outcomeDescription, recorded } = occurrence
  const name = `${interaction}|${outcome}|${recorded}|${profile ?? '-'}|${outcomeDescription ?? '-'}`
  return batch.elements(agent, name, () => elementsOf(occurrence, source, profile))
}

function elementsOf(occurrence: Occurrence, source: AuditSource, profile: string | null): SharedElements {
  const { agent, interaction, outcome, outcomeDescription, recorded } = occurrence
  const action = PATTERN[interaction]?.action ?? 'E'
  const subtype = interaction.startsWith('$') ? 'operation' : (RESTFUL_CODE[interaction] ?? interaction)
  return {
    ...(profile === null ? {} : { meta: { profile: [profile] } }),
    recorded: new Date(recorded).toISOString(),
    type: {
      system: 'http://terminology.hl7.org/CodeSystem/audit-event-type',
      code: 'rest',
      display: 'Restful Operation',
    },
    subtype: subtypes(occurrence, subtype),
    action,
    outcome,
    ...(outcomeDescription === undefined ? {} : { outcomeDesc: outcomeDescription }),
    ...purposes(agent),
    agent: agents(agent, action, source),
    source: {
      observer: { identifier: { system: PARTY_SYSTEM, value: source.entity } },
      type: [{ system: 'http://terminology.hl7.org/CodeSystem/security-source-type', code: '4' }],
    },
  }
}

/**
 * A profile claim must be true: every pattern has a client and a server, and those of Read, Create, Update and Delete name
 * exactly one resource.
 */
function claimable({ outcome, agent, data, query }: Occurrence, action: Action): boolean {
  return outcome === '0' && !('self' in agent) && (action === 'E' ? query !== undefined : data.length === 1)
}

/** BALP wants exactly one code of a search. */
function subtypes(occurrence: Occurrence, subtype: string): object[] {
  const restful = { system: RESTFUL, code: subtype, display: subtype }
  if (!occurrence.interaction.startsWith('$')) return [restful]
  return [restful, { system: 'urn:ietf:rfc:3986', code: occurrence.interaction.slice(1) }]
}

const SOURCE = concept(DCM, '110153', 'Source Role ID')
const DESTINATION = concept(DCM, '110152', 'Destination Role ID')

/** How BALP types client and server: by where the data flows, and in a delete, where none does, by what they are. */
const ROLES: Readonly<Record<Action, { client: object; server: object }>> = {
  C: { client: SOURCE, server: DESTINATION },
  R: { client: DESTINATION, server: SOURCE },
  U: { client: SOURCE, server: DESTINATION },
  D: {
    client: concept(DCM, '110150', 'Application'),
    server: concept('http://terminology.hl7.org/CodeSystem/provenance-participant-type', 'custodian', 'Custodian'),
  },
  E: { client: SOURCE, server: DESTINATION },
}

function agents(agent: AuditedAgent, action: Action, source: AuditSource): object[] {
  const server = {
    type: ROLES[action].server,
    who: { identifier: { system: PARTY_SYSTEM, value: source.entity } },
    requestor: false,
    network: { address: source.baseUrl, type: '5' },
  }
  if ('self' in agent) return [{ ...server, requestor: true }]
  const client = {
    type: ROLES[action].client,
    who:
      'anonymous' in agent
        ? { display: 'not authenticated' }
        : { identifier: { system: CLIENT_SYSTEM, value: agent.clientId } },
    requestor: !('practitioner' in agent && agent.practitioner !== undefined),
    network: { address: agent.address, type: '2' },
  }
  if ('anonymous' in agent) return [client, server]
  const organisation = {
    type: concept(USER_AGENT, 'UserOrganization', 'User Organization'),
    who: { identifier: { system: PARTY_SYSTEM, value: agent.entity } },
    requestor: false,
  }
  if (agent.practitioner === undefined) return [client, server, organisation]
  const user = {
    type: concept('http://terminology.hl7.org/CodeSystem/v3-ParticipationType', 'IRCP', 'information recipient'),
    who: { identifier: { system: PARTY_SYSTEM, value: agent.practitioner } },
    requestor: true,
  }
  return [client, server, user, organisation]
}

function purposes(agent: AuditedAgent): object {
  if (!('purposes' in agent)) return {}
  return { purposeOfEvent: agent.purposes.map((code) => concept(ACT_REASON, code)) }
}

function entities(occurrence: Occurrence, patient: string | null, batch: SharedParts): object[] {
  const list: object[] = []
  if (patient !== null) {
    list.push(
      batch.entity(patient, () => ({
        what: { reference: patient },
        type: coding(ENTITY_TYPE, '1', 'Person'),
        role: coding(OBJECT_ROLE, '1', 'Patient'),
      })),
    )
  }
  if (occurrence.query !== undefined) {
    list.push({
      type: coding(ENTITY_TYPE, '2', 'System Object'),
      role: coding(OBJECT_ROLE, '24', 'Query'),
      query: Buffer.from(occurrence.query === '' ? '?' : occurrence.query).toString('base64'),
    })
  } else {
    for (const { reference, version } of occurrence.data) {
      const versioned = version === undefined ? reference : `${reference}/_history/${version}`
      list.push({
        what: { reference: versioned },
        type: coding(ENTITY_TYPE, '2', 'System Object'),
        role: coding(OBJECT_ROLE, '4', 'Domain Resource'),
      })
    }
  }
  for (const capsule of occurrence.capsules ?? []) {
    list.push({
      what: { identifier: { system: CAPSULE_SYSTEM, value: capsule } },
      type: coding(ENTITY_TYPE, '2', 'System Object'),
      role: coding(OBJECT_ROLE, '13', 'Security Resource'),
    })
  }
  if (occurrence.authorisation !== undefined) {
    const { reference, version } = occurrence.authorisation
    const type = reference.split('/')[0] as string
    list.push({
      what: { reference: `${reference}/_history/${version}` },
      type: coding(RESOURCE_TYPES, type, type),
      role: coding(OBJECT_ROLE, '13', 'Security Resource'),
      description: 'Authorises the signature of the wallet service',
    })
  }
  const { requestId } = occurrence
  list.push(
    batch.entity(`request ${requestId}`, () => ({
      what: { identifier: { value: requestId } },
      type: coding(BALP_ENTITY, 'XrequestId', 'X-Request-Id'),
    })),
  )
  return list
}

/** fhir-profiles/StructureDefinition-ledger-evidence.json */
export function evidenceExtension(evidence: LedgerEvidence): object {
  return {
    url: EVIDENCE,
    extension: [
      { url: 'chainId', valueString: String(evidence.chainId) },
      { url: 'contract', valueString: evidence.contract },
      { url: 'transaction', valueString: evidence.transactionHash },
      { url: 'blockNumber', valueString: String(evidence.blockNumber) },
      { url: 'blockHash', valueString: evidence.blockHash },
      { url: 'logIndex', valueString: String(evidence.logIndex) },
    ],
  }
}

export function coding(system: string, code: string, display: string): object {
  return { system, code, display }
}

export function concept(system: string, code: string, display?: string): object {
  return { coding: [display === undefined ? { system, code } : { system, code, display }] }
}

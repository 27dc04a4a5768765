import { NOTICE } from '../../consent/labels.js'
import type { LedgerEvidence, Occurrence } from '../../audit/occurrence.js'
import type { TrailRecord } from '../../audit/audit-trail.js'
import { concept, evidenceExtension } from '../../audit/balp.js'
import type { PatientId } from '../../consent/permit.js'
import { categoryBits } from '../../consent/terms.js'
import { ConsentryError } from '../../errors.js'
import { storedResource } from '../../fhir/stored-resource.js'
import type { Resource } from '../../fhir/types.js'
import type { StoredVersion } from '../../records/types.js'
import { itself } from '../itself.js'
import { openEach } from '../open-each.js'
import type { GatewayParts } from '../parts.js'
import { PATIENT_ID_SYSTEM } from '../patient-compartment.js'
import { type Draft, sealVersions, stamped } from '../versions.js'
import { PARTY_SYSTEM } from './codes.js'
import type { PatientReference } from './emergency-resources.js'

/** A notice that says something new. */
export interface NewNotice {
  readonly id: string
  readonly patient: PatientId
  readonly resource: Resource
  /** What is replaced; `null`: it is new. */
  readonly previous: Pick<StoredVersion, 'version' | 'lastUpdated'> | null
  /** The event that it tells. */
  readonly evidence: LedgerEvidence | null
  /** For people; no health data. */
  readonly description: string
  /** Who did what the event tells, and when, seconds since the epoch: a Provenance of the version says so. */
  readonly by?: { readonly system: string; readonly value: string; readonly at: number } | null
}

/**
 * Writes notices in one commit with an AuditEvent each, or with the records that a request has made instead.
 *
 * @returns false when another writer was faster
 */
export async function writeNotices(
  parts: GatewayParts,
  notices: readonly NewNotice[],
  audit: readonly Occurrence[] | null,
  more: readonly Occurrence[] = [],
): Promise<boolean> {
  const now = parts.clock()
  const drafts = notices.map(({ id, patient, resource, previous }): Draft => {
    const version = (previous?.version ?? 0) + 1
    const lastUpdated = Math.max(now, (previous?.lastUpdated ?? 0) + 1)
    return {
      type: resource.resourceType,
      id,
      version,
      lastUpdated,
      deleted: false,
      subject: { patient, origin: parts.entity, labels: NOTICE, categories: categoryBits([]) },
      resource: stamped(resource, id, version, lastUpdated),
    }
  })
  const { versions } = await sealVersions(parts, drafts)
  const references = await patientReferences(
    parts,
    notices.map(({ patient }) => patient),
  )
  const told = notices.map(({ previous, description, patient, evidence }, i): Occurrence => ({
    interaction: previous === null ? 'create' : 'update',
    outcome: '0',
    outcomeDescription: description,
    recorded: now,
    requestId: 'notices',
    agent: { self: true },
    patients: [{ id: patient, reference: references.get(patient)?.reference ?? 'Patient/unknown' }],
    data: [
      { reference: `${(drafts[i] as Draft).type}/${(drafts[i] as Draft).id}`, version: (drafts[i] as Draft).version },
    ],
    ...(evidence === null ? {} : { evidence }),
  }))
  const records = await parts.audit.records([...(audit ?? told), ...more])
  const provenance = notices.flatMap((notice, i) => provenanceOf(parts, notice, drafts[i] as Draft))
  const further = provenance.length === 0 ? [] : await parts.audit.rows(provenance, now)
  const { committed } = await parts.records.commit({ versions, audit: [...records, ...further] })
  if (committed) parts.committed()
  return committed
}

/** Of the version that an event of the ledger has made; fhir-profiles/StructureDefinition-ledger-provenance.json */
function provenanceOf({ entity }: GatewayParts, { evidence, by, patient }: NewNotice, draft: Draft): TrailRecord[] {
  if (evidence === null || by == null) return []
  const agent = (code: string, system: string, value: string): object => ({
    type: concept('http://terminology.hl7.org/CodeSystem/provenance-participant-type', code),
    who: { identifier: { system, value } },
  })
  const resource: Resource = {
    resourceType: 'Provenance',
    meta: { profile: ['https://consentry.health/fhir/StructureDefinition/ledger-provenance'] },
    extension: [evidenceExtension(evidence)],
    target: [{ reference: `${draft.type}/${draft.id}/_history/${draft.version}` }],
    recorded: new Date(by.at * 1000).toISOString(),
    activity: concept(
      'http://terminology.hl7.org/CodeSystem/v3-DataOperation',
      draft.version === 1 ? 'CREATE' : 'UPDATE',
    ),
    agent: [agent('author', PARTY_SYSTEM, entity), agent('performer', by.system, by.value)],
  }
  return [{ resource, patient }]
}

/** How a resource names these patients: by their Patient here, if there is one, and by the ledger's id. */
export async function patientReferences(
  { patients }: Pick<GatewayParts, 'patients'>,
  ids: readonly PatientId[],
): Promise<Map<PatientId, PatientReference>> {
  const localIds = await patients.localIds([...new Set(ids)])
  return new Map(
    ids.map((id) => {
      const local = localIds.get(id)?.[0]
      const identifier = { system: PATIENT_ID_SYSTEM, value: id }
      return [id, local === undefined ? { identifier } : { reference: `Patient/${local}`, identifier }]
    }),
  )
}

/**
 * Notices as they are, by id; one that nobody may read at the moment is missing, and of one whose block is lost or altered nothing is left.
 *
 * @throws ConsentryError `unavailable` when the ledger has not been heard of
 */
export async function openNotices(
  parts: GatewayParts,
  rows: readonly StoredVersion[],
): Promise<Map<string, { readonly row: StoredVersion; readonly resource: Resource | null }>> {
  const present = rows.filter(({ deleted }) => !deleted)
  if (present.length === 0) return new Map()
  const principal = itself(parts)
  const permit = await parts.access.permit(principal, 'read', present).catch((error: unknown) => {
    if (error instanceof ConsentryError && error.kind === 'forbidden') return null
    throw error
  })
  if (permit === null) return new Map()
  const bodies = await openEach(parts.bodies, permit, present)
  return new Map(
    present.map((row, i) => [row.id, { row, resource: bodies[i] ? storedResource(bodies[i]) : null }] as const),
  )
}

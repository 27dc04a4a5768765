import { labelBits } from '../../consent/labels.js'
import { categoryBits, isCategory } from '../../consent/terms.js'
import { ConsentryError } from '../../errors.js'
import { clinicalCategories } from '../../fhir/clinical-categories.js'
import { storedResource } from '../../fhir/stored-resource.js'
import { labelsOf } from '../../fhir/labels-of.js'
import { ownProfiles } from '../../fhir/profiles.js'
import { recordFacts } from '../../fhir/record-facts.js'
import type { Resource } from '../../fhir/types.js'
import { validate } from '../../fhir/validate.js'
import type { StoredVersion } from '../../records/types.js'
import { itself } from '../itself.js'
import { openEach } from '../open-each.js'
import type { GatewayParts } from '../parts.js'
import { type Draft, sealVersions, stamped } from '../versions.js'
import type { ConsentLink, ConsentLinks } from './links.js'
import type { Narrowing } from './narrowing.js'
import { consentOf, type LedgerAddress, tellConsent } from './resource.js'
import type { Telling } from './telling.js'

/** What a Consent does not say yet. */
export interface Change {
  readonly link: ConsentLink
  readonly row: StoredVersion | null
  readonly telling: Telling
  readonly digest: Buffer
  /** Of the grant's policy document. */
  readonly narrowing?: Narrowing
}

/**
 * Writes the Consents anew, with an AuditEvent each, in one commit. What a client wrote stays as long as the entity may
 * read it; a Consent that consent has closed to the entity is told from the ledger alone.
 *
 * @returns false when another writer was faster
 */
export async function tellChanges(
  parts: GatewayParts,
  links: ConsentLinks,
  ledger: LedgerAddress,
  changes: readonly Change[],
): Promise<boolean> {
  const now = parts.clock()
  const localIds = await parts.patients.localIds([...new Set(changes.map(({ link }) => link.terms.patient))])
  const patientOf = ({ link }: Change): string => `Patient/${localIds.get(link.terms.patient)?.[0] ?? 'unknown'}`
  const own = await readable(parts, changes)
  const drafts = changes.map((change, i): Draft => {
    const { link, row, telling, narrowing } = change
    const terms = { ...link.terms, ...(narrowing === undefined ? {} : { narrowing }) }
    const fromLedger = consentOf(patientOf(change), telling, row?.labels ?? null)
    const told =
      valid(tellConsent(own[i] ?? fromLedger, terms, telling, ledger)) ??
      tellConsent(fromLedger, terms, telling, ledger)
    const version = (row?.version ?? 0) + 1
    const lastUpdated = Math.max(now, (row?.lastUpdated ?? 0) + 1)
    return {
      type: 'Consent',
      id: link.consentId,
      version,
      lastUpdated,
      deleted: false,
      subject: {
        patient: link.terms.patient,
        origin: row?.origin ?? parts.entity,
        labels: labelBits(labelsOf(told)),
        categories: categoryBits(clinicalCategories(told).filter(isCategory)),
        facts: parts.index.facts(recordFacts({ ...told, id: link.consentId })),
      },
      resource: stamped(told, link.consentId, version, lastUpdated),
    }
  })
  const { versions } = await sealVersions(parts, drafts)
  const audit = await parts.audit.records(
    changes.map((change, i) => ({
      interaction: change.row === null ? 'create' : 'update',
      outcome: '0' as const,
      outcomeDescription: `the ledger says ${change.telling.status}`,
      recorded: now,
      requestId: 'consent-mirror',
      agent: { self: true as const },
      patients: [{ id: change.link.terms.patient, reference: patientOf(change) }],
      data: [{ reference: `Consent/${change.link.consentId}`, version: (drafts[i] as Draft).version }],
      ...(change.telling.evidence === null ? {} : { evidence: { ...ledger, ...change.telling.evidence } }),
    })),
  )
  await links.tell(
    changes.map(({ link, digest, telling }, i) => ({
      ...link,
      told: digest,
      version: (drafts[i] as Draft).version,
      until: telling.until,
    })),
  )
  const { committed } = await parts.records.commit({ versions, audit })
  if (committed) parts.committed()
  return committed
}

/**
 * The Consents as they are; `null` for a new one, for one that consent has closed to the entity, and for one whose block is lost or altered.
 *
 * @throws ConsentryError `unavailable` when the ledger has not been heard of: then nothing is known to be closed
 */
async function readable(parts: GatewayParts, changes: readonly Change[]): Promise<(Resource | null)[]> {
  const rows = changes.flatMap(({ row }) => (row === null || row.deleted ? [] : [row]))
  if (rows.length === 0 || !(await isActive(parts))) return changes.map(() => null)
  const permits = await parts.access.permits(itself(parts), 'read', rows)
  const open = rows.filter((_, i) => permits[i] !== null)
  if (open.length === 0) return changes.map(() => null)
  const permit = await parts.access.permit(itself(parts), 'read', open)
  const bodies = await openEach(parts.bodies, permit, open)
  const found = new Map(open.map((row, i) => [row, bodies[i] ? storedResource(bodies[i]) : null]))
  return changes.map(({ row }) => (row === null ? null : (found.get(row) ?? null)))
}

async function isActive(parts: GatewayParts): Promise<boolean> {
  try {
    await parts.access.filter(itself(parts), 'read')
    return true
  } catch (error) {
    if (error instanceof ConsentryError && error.kind === 'forbidden') return false
    throw error
  }
}

function valid(resource: Resource): Resource | null {
  const { resource: accepted } = validate(resource)
  return accepted !== undefined &&
    ownProfiles()
      .judge(accepted)
      .every(({ severity }) => severity !== 'error')
    ? resource
    : null
}

import type { LedgerRequest } from '../../consent/access-requests.js'
import { labelBits } from '../../consent/labels.js'
import type { GrantedTerms } from '../../consent/ledger-grants.js'
import type { Party } from '../../consent/parties.js'
import { actionsOf, categoryBits, isCategory } from '../../consent/terms.js'
import { ConsentryError } from '../../errors.js'
import { clinicalCategories } from '../../fhir/clinical-categories.js'
import { labelsOf } from '../../fhir/labels-of.js'
import { recordFacts } from '../../fhir/record-facts.js'
import type { InteractionRequest } from '../interaction.js'
import { occurrence } from '../occurrence.js'
import type { GatewayParts } from '../parts.js'
import type { Trail } from '../trail.js'
import { sealVersions, stamped } from '../versions.js'
import { type AskedTerms, labelCodesOf } from './asked-terms.js'
import type { AccessParts } from './break-glass.js'
import type { LoadedNotice } from './loaded-notice.js'
import { noticeId } from './notices.js'
import { patientReferences } from './notice-writing.js'
import type { Asked } from './request.js'
import { consentOf, tellConsent } from './resource.js'

const NOTHING = `0x${'00'.repeat(32)}` as const

/**
 * Proposes the Consent that answers a request, as the gateway itself: a patient who has closed the record to this entity can still answer.
 * There is one for each request; a second answer, before the first is signed, is its next version.
 */
export async function proposeAnswer(
  parts: GatewayParts,
  access: AccessParts,
  request: InteractionRequest,
  trail: Trail,
  patient: Party,
  { notice }: LoadedNotice,
  { terms: { grantee }, request: asked }: LedgerRequest,
  given: AskedTerms,
): Promise<Asked> {
  const id = notice.consentId ?? noticeId(parts, 'request', asked, 'answer')
  const [linked] = await access.consent.links.of([id])
  if (linked?.version != null) throw new ConsentryError('conflict', 'This request has been answered on the ledger.')
  const [previous] = await parts.records.read([{ type: 'Consent', id }])
  const terms: GrantedTerms = { ...given, patient: patient.id, grantee, packageHash: NOTHING }
  const telling = {
    status: 'proposed' as const,
    evidence: null,
    labels: labelCodesOf(given),
    actions: actionsOf(given.actions),
    until: null,
  }
  const references = await patientReferences(parts, [patient.id])
  const reference = references.get(patient.id)?.reference
  if (reference === undefined) throw new ConsentryError('conflict', 'The patient has no Patient here.')
  const now = parts.clock()
  const version = (previous?.version ?? 0) + 1
  const lastUpdated = Math.max(now, (previous?.lastUpdated ?? 0) + 1)
  const resource = tellConsent(consentOf(reference, telling, null), terms, telling, access.ledger)
  const draft = {
    type: 'Consent',
    id,
    version,
    lastUpdated,
    deleted: false,
    subject: {
      patient: patient.id,
      origin: parts.entity,
      labels: labelBits(labelsOf(resource)),
      categories: categoryBits(clinicalCategories(resource).filter(isCategory)),
      facts: parts.index.facts(recordFacts({ ...resource, id })),
    },
    resource: stamped(resource, id, version, lastUpdated),
  }
  const { versions } = await sealVersions(parts, [draft])
  trail.touches(`Consent/${id}`, version, patient.id)
  const audit = await parts.audit.records([
    occurrence(request, now, {
      interaction: version === 1 ? 'create' : 'update',
      outcome: '0',
      outcomeDescription: 'proposed in answer to a request of access',
      patients: trail.patients,
      data: [{ reference: `Consent/${id}`, version }],
    }),
  ])
  const { committed } = await parts.records.commit({ versions, audit })
  if (!committed) throw new ConsentryError('conflict', 'Somebody else answers this request at the moment.')
  parts.committed()
  await access.notices.answeredWith(notice.id, id)
  const [row] = await parts.records.read([{ type: 'Consent', id }])
  if (!row) throw new ConsentryError('internal', 'The Consent is gone.')
  return { row, resource: draft.resource, patient }
}

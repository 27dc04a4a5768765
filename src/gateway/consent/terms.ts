import type { GrantableLabel } from '../../consent/labels.js'
import type { Action, PartyId } from '../../consent/permit.js'
import type { Purpose } from '../../consent/terms.js'
import { ConsentryError, type Issue } from '../../errors.js'
import type { Resource } from '../../fhir/types.js'
import { type Narrowing, narrowingOf } from './narrowing.js'
import { provisionIn } from './pcf.js'
import {
  actionsOf,
  categoriesOf,
  granteeOf,
  labelsOf,
  objectAt,
  periodOf,
  purposesOf,
  type Wrong,
} from './provision.js'

/** What a patient signs: one grant of the consent contract, before nonce and deadline. */
export interface GrantTerms {
  /** Reference to a Patient of this server, `Patient/id`. */
  readonly patient: string
  readonly grantee: PartyId
  readonly labels: readonly GrantableLabel[]
  readonly actions: readonly Action[]
  readonly purposes: readonly Purpose[]
  readonly categories: bigint
  /** Seconds since the epoch. */
  readonly from: number
  readonly to: number
  /** What the word cannot hold: it goes into a policy document. */
  readonly narrowing?: Narrowing
}

/**
 * Reads a Consent of our grant profile (fhir-profiles/, https://hl7.org/fhir/R4/consent.html) as grant terms.
 * What a grant cannot say is refused by name rather than ignored: a narrower wish must not become a wider grant.
 *
 * @throws ConsentryError `invalid` with every element that does not fit.
 */
export function grantTerms(consent: Resource, now: number): GrantTerms {
  const issues: Issue[] = []
  const wrong = (expression: string, diagnostics: string): void => {
    issues.push({ severity: 'error', code: 'business-rule', diagnostics, expression: [expression] })
  }
  const provision = provisionIn(consent)
  refuseUnsupported(consent, provision, wrong)

  const narrowing = narrowingOf(provision, wrong)
  const terms: GrantTerms = {
    patient: patientOf(consent, wrong),
    grantee: granteeOf(provision, wrong),
    labels: labelsOf(provision, wrong),
    actions: actionsOf(provision, wrong),
    purposes: purposesOf(provision, wrong),
    categories: categoriesOf(provision, wrong),
    ...periodOf(provision, now, wrong),
    ...(narrowing === undefined ? {} : { narrowing }),
  }
  if (issues.length > 0) {
    throw new ConsentryError('invalid', 'This Consent cannot be made a grant.', { issues })
  }
  return terms
}

function refuseUnsupported(consent: Resource, provision: Record<string, unknown>, wrong: Wrong): void {
  if (provision['type'] !== 'permit') {
    wrong(
      'Consent.provision.type',
      "A grant has provision.type 'permit'; what is not granted is denied. Patient/[id]/$revoke-all takes back all that was granted.",
    )
  }
  if (provision['class'] !== undefined) {
    wrong('Consent.provision.class', 'provision.class is not enforced by this server; leave it out.')
  }
  for (const at of modifiersIn(consent, 'Consent')) {
    wrong(at, 'An extension that changes what is said is not enforced by this server; leave it out.')
  }
  if (consent['verification'] !== undefined) {
    wrong('Consent.verification', 'Verification is written by the server from the ledger; leave it out.')
  }
}

/** Elements of which R4 says that nobody may read past them, https://hl7.org/fhir/R4/extensibility.html#modifierExtension */
function modifiersIn(node: unknown, at: string): string[] {
  if (typeof node !== 'object' || node === null) return []
  return Object.entries(node).flatMap(([name, child]) => {
    const place = Array.isArray(node) ? `${at}[${name}]` : `${at}.${name}`
    return name === 'modifierExtension' || name === 'implicitRules' ? [place] : modifiersIn(child, place)
  })
}

function patientOf(consent: Resource, wrong: Wrong): string {
  const reference = objectAt(consent['patient'])['reference']
  if (typeof reference === 'string' && /^Patient\/[A-Za-z0-9\-.]{1,64}$/.test(reference)) return reference
  wrong('Consent.patient.reference', "The patient must be a reference of the form 'Patient/id' to this server.")
  return ''
}

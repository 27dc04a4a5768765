import { isResource } from './is-resource.js'
import type { Resource } from './types.js'

const ACT_CODE: ReadonlySet<unknown> = new Set([
  'http://terminology.hl7.org/CodeSystem/v3-ActCode',
  'http://hl7.org/fhir/v3/ActCode',
  'urn:oid:2.16.840.1.113883.5.4',
])
const CONFIDENTIALITY: ReadonlySet<unknown> = new Set([
  'http://terminology.hl7.org/CodeSystem/v3-Confidentiality',
  'http://hl7.org/fhir/v3/Confidentiality',
  'urn:oid:2.16.840.1.113883.5.25',
])
const OUR_LABELS = 'https://consentry.health/fhir/CodeSystem/label'

/** v3-ActCode policies that say how a record is handled rather than what it is about. */
const HANDLING: ReadonlySet<string> = new Set(
  // ObligationPolicy
  (
    'ANONY AOD AUDIT AUDTR CPLYCC CPLYCD CPLYJPP CPLYOPP CPLYOSP CPLYPOL DECLASSIFYLABEL DEID DELAU DOWNGRDLABEL ' +
    'DRIVLABEL ENCRYPT ENCRYPTR ENCRYPTT ENCRYPTU HUAPRV LABEL MASK MINEC PERSISTLABEL PRIVMARK PSEUD REDACT ' +
    'UPGRDLABEL PROCESSINLINELABEL ' +
    // RefrainPolicy
    'NOAUTH NOCOLLECT NODSCLCD NODSCLCDS NOINTEGRATE NOLIST NOMOU NOORGPOL NOPAT NOPERSISTP NORDSCLCD NORDSCLCDS ' +
    'NORDSCLW NORELINK NOREUSE NOVIP ORCON ' +
    // ActConsentDirective, ActPrivacyLaw without a class of its own, compartments
    'EMRGONLY GRANTORCHOICE IMPLIED IMPLIEDD NOCONSENT NOPP OPTIN OPTINR OPTOUT OPTOUTE CommonRule HIPAANOPP ' +
    'HIPAASelfPay COMPT ACOCOMPT CTCOMPT FMCOMPT HRCOMPT LRCOMPT PACOMPT RESCOMPT RMGTCOMPT'
  ).split(' '),
)

/** Laws that protect one class of information. */
const LAW_OF: ReadonlyMap<string, string> = new Map([
  ['42CFRPart2', 'SUD'],
  ['HIPAAPsyNotes', 'PSYTHPN'],
])

const INLINE_LABEL = 'http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label'

/**
 * The security codes of a record that consent/labels turns into labels: every v3-ActCode sensitivity class of
 * `meta.security`, known to us or not, and the confidentiality `R` or `V`. If the record is marked
 * PROCESSINLINELABEL (https://hl7.org/fhir/uv/security-label-ds4p/), so that single elements carry labels, the
 * whole record takes theirs, because it is sealed as one. A coding without a system counts: leaving it out
 * would disclose. A Bundle has the labels of every resource in it, however deep (entries, their outcomes, parameters, Bundles): it is
 * sealed as one too. No code means `general`.
 */
export function labelsOf(resource: Resource): string[] {
  const codes = new Set(HOLDS_RESOURCES.has(resource.resourceType) ? labelsInside(resource) : [])
  const security: unknown = resource.meta?.security
  if (!Array.isArray(security)) return [...codes]
  for (const coding of security) take(coding, codes)
  if (security.some((coding) => (coding as { code?: unknown } | null)?.code === 'PROCESSINLINELABEL'))
    inside(resource, codes)
  return [...codes]
}

/** What is contained in any other has no label of its own (dom-5). */
const HOLDS_RESOURCES: ReadonlySet<string> = new Set(['Bundle', 'Parameters'])

function labelsInside(node: object): string[] {
  return Object.values(node).flatMap((child: unknown) => {
    if (typeof child !== 'object' || child === null) return []
    return isResource(child) ? labelsOf(child) : labelsInside(child)
  })
}

function take(coding: unknown, codes: Set<string>): void {
  if (typeof coding !== 'object' || coding === null) return
  const { system, code } = coding as { system?: unknown; code?: unknown }
  if (typeof code !== 'string') return
  if (CONFIDENTIALITY.has(system)) {
    if (code === 'R' || code === 'V') codes.add(code)
  } else if (ACT_CODE.has(system) || system === OUR_LABELS || (system === undefined && !/^[LMNU]$/.test(code))) {
    if (!HANDLING.has(code)) codes.add(LAW_OF.get(code) ?? code)
  }
}

function inside(node: unknown, codes: Set<string>): void {
  if (typeof node !== 'object' || node === null) return
  const { url, valueCoding } = node as { url?: unknown; valueCoding?: unknown }
  if (url === INLINE_LABEL) take(valueCoding, codes)
  for (const child of Object.values(node)) inside(child, codes)
}

/** Our canonical base; the profile and the code systems stand in fhir-profiles/. */
const BASE = 'https://consentry.health/fhir'
export const GRANT_PROFILE = `${BASE}/StructureDefinition/consentry-grant`
export const EVIDENCE = `${BASE}/StructureDefinition/ledger-evidence`
/** Identifier system of parties on the ledger. */
export const PARTY_SYSTEM = `${BASE}/sid/party`
export const LABEL_SYSTEM = `${BASE}/CodeSystem/label`
export const ACTION_SYSTEM = `${BASE}/CodeSystem/consent-action`
export const CATEGORY_SYSTEM = `${BASE}/CodeSystem/clinical-category`
export const ACT_CODE = 'http://terminology.hl7.org/CodeSystem/v3-ActCode'
export const ACT_REASON = 'http://terminology.hl7.org/CodeSystem/v3-ActReason'
export const HL7_ACTION = 'http://terminology.hl7.org/CodeSystem/consentaction'
export const CONFIDENTIALITY = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality'

export function concept(system: string, code: string): object {
  return { coding: [{ system, code }] }
}

/** Labels that no code system of HL7 has as a sensitivity class. */
const OUR_LABELS: ReadonlySet<string> = new Set(['general', 'R', 'all'])

export function labelCoding(code: string): object {
  return { system: OUR_LABELS.has(code) ? LABEL_SYSTEM : ACT_CODE, code }
}

/** Who receives, by the id on the ledger. */
export function partyActor(value: string): object {
  return {
    role: concept('http://terminology.hl7.org/CodeSystem/v3-ParticipationType', 'IRCP'),
    reference: { identifier: { system: PARTY_SYSTEM, value } },
  }
}

const BASE = 'https://consentry.health/fhir'

/** A proposed Consent of the grant profile: `grantee` may do this with what is labelled general, for treatment. */
export function grantOf(
  patientId: string,
  grantee: string,
  actions: readonly ('read' | 'create')[],
): { resourceType: 'Consent'; [element: string]: unknown } {
  return {
    resourceType: 'Consent',
    meta: { profile: [`${BASE}/StructureDefinition/consentry-grant`] },
    status: 'proposed',
    scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
    category: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'IDSCL' }] }],
    patient: { reference: `Patient/${patientId}` },
    dateTime: new Date().toISOString(),
    policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTIN' }] },
    provision: {
      type: 'permit',
      actor: [
        {
          role: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: 'IRCP' }] },
          reference: { identifier: { system: `${BASE}/sid/party`, value: grantee } },
        },
      ],
      action: actions.map((code) => ({ coding: [{ system: `${BASE}/CodeSystem/consent-action`, code }] })),
      securityLabel: [{ system: `${BASE}/CodeSystem/label`, code: 'general' }],
      purpose: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'TREAT' }],
    },
  }
}

/** The form that a patient signed on paper, in the record. */
export function signedForm(
  patientId: string,
  title: string,
): { resourceType: 'DocumentReference'; [element: string]: unknown } {
  return {
    resourceType: 'DocumentReference',
    status: 'current',
    type: { coding: [{ system: 'http://loinc.org', code: '59284-0' }] },
    subject: { reference: `Patient/${patientId}` },
    date: new Date().toISOString(),
    content: [{ attachment: { title } }],
  }
}

/** What a custodial patient's signed form is named by; every use of the custody is audited with it. */
export function authorisation(documentId: string): object {
  const valueReference = { reference: `DocumentReference/${documentId}` }
  return { resourceType: 'Parameters', parameter: [{ name: 'authorisation', valueReference }] }
}

/** A laboratory result that is written while the story goes on. */
export function newResult(
  patientId: string,
  value: number,
): { resourceType: 'Observation'; [element: string]: unknown } {
  return {
    resourceType: 'Observation',
    status: 'final',
    category: [
      { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'laboratory' }] },
    ],
    code: { coding: [{ system: 'http://loinc.org', code: '2160-0' }], text: 'Creatinine' },
    subject: { reference: `Patient/${patientId}` },
    effectiveDateTime: new Date().toISOString(),
    valueQuantity: { value, unit: 'mg/dL', system: 'http://unitsofmeasure.org', code: 'mg/dL' },
  }
}

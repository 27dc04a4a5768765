import { Buffer } from 'node:buffer'
import { pick, int, hex, uuid, date, time, Word, HL7, LOINC, coding, concept, bound, snomed, reference, start, period, identifier, money, phone, address } from './values.mjs'

/** Bills, documents, organisations and the trail. */
export const claim = (r) => ({
  ...start(r, 'Claim'),
  status: 'active',
  type: bound('claim-type', pick(r, ['institutional', 'professional', 'pharmacy'])),
  use: 'claim',
  patient: reference(r, 'Patient', Word(r)),
  billablePeriod: period(r),
  created: time(r),
  provider: reference(r, 'Organization', Word(r)),
  priority: bound('processpriority', 'normal'),
  facility: reference(r, 'Location', Word(r)),
  diagnosis: [{ sequence: 1, diagnosisReference: reference(r, 'Condition') }],
  insurance: [{ sequence: 1, focal: true, coverage: { display: pick(r, ['Medicare', 'Medicaid', 'NO_INSURANCE', 'Humana']) } }],
  item: Array.from({ length: 1 + int(r, 3) }, (_, i) => ({
    sequence: i + 1,
    ...(i > 0 ? { procedureSequence: [1] } : {}),
    productOrService: snomed(r),
    ...(i === 0 ? { encounter: [reference(r, 'Encounter')] } : { net: money(r) }),
  })),
  total: money(r),
})
export const benefit = (r) => {
  const adjudication = (code, display) => ({ category: { coding: [coding('https://bluebutton.cms.gov/resources/codesystem/adjudication', `https://bluebutton.cms.gov/resources/variables/${code}`, display)] }, amount: money(r) })
  return {
    ...start(r, 'ExplanationOfBenefit'),
    contained: [{ resourceType: 'ServiceRequest', id: 'referral', status: 'completed', intent: 'order', subject: reference(r, 'Patient'), requester: reference(r, 'Practitioner'), performer: [reference(r, 'Practitioner')] }, { resourceType: 'Coverage', id: 'coverage', status: 'active', type: { text: 'Medicare' }, beneficiary: reference(r, 'Patient'), payor: [{ display: 'Medicare' }] }],
    identifier: [{ system: 'https://bluebutton.cms.gov/resources/variables/clm_id', value: uuid(r) }, { system: 'https://bluebutton.cms.gov/resources/identifier/claim-group', value: '99999999999' }],
    status: 'active',
    type: bound('claim-type', 'professional'),
    use: 'claim',
    patient: reference(r, 'Patient'),
    billablePeriod: period(r),
    created: time(r),
    insurer: { display: 'Medicare' },
    provider: reference(r, 'Practitioner'),
    referral: { reference: '#referral' },
    facility: reference(r, 'Location', Word(r)),
    claim: reference(r, 'Claim'),
    outcome: 'complete',
    careTeam: [{ sequence: 1, provider: reference(r, 'Practitioner'), role: { coding: [coding(`${HL7}claimcareteamrole`, 'primary', 'Primary Care Practitioner')] } }],
    diagnosis: [{ sequence: 1, diagnosisReference: reference(r, 'Condition'), type: [bound('ex-diagnosistype', 'principal')] }],
    insurance: [{ focal: true, coverage: { reference: '#coverage', display: 'Medicare' } }],
    item: [
      {
        sequence: 1,
        category: { coding: [coding('https://bluebutton.cms.gov/resources/variables/line_cms_type_srvc_cd', '1', 'Medical care')] },
        productOrService: snomed(r),
        servicedPeriod: period(r),
        locationCodeableConcept: { coding: [coding(`${HL7}ex-serviceplace`, '21', 'Inpatient Hospital')] },
        encounter: [reference(r, 'Encounter')],
        net: money(r),
        adjudication: [adjudication('line_coinsrnc_amt', 'Line Beneficiary Coinsurance Amount'), adjudication('line_prvdr_pmt_amt', 'Line Provider Payment Amount'), adjudication('line_sbmtd_chrg_amt', 'Line Submitted Charge Amount'), adjudication('line_alowd_chrg_amt', 'Line Allowed Charge Amount'), adjudication('line_bene_ptb_ddctbl_amt', 'Line Beneficiary Part B Deductible Amount'), { category: { coding: [coding('https://bluebutton.cms.gov/resources/codesystem/adjudication', 'https://bluebutton.cms.gov/resources/variables/line_prcsg_ind_cd', 'Line Processing Indicator Code')] } }],
      },
    ],
    total: [{ category: { coding: [coding(`${HL7}adjudication`, 'submitted', 'Submitted Amount')], text: 'Submitted Amount' }, amount: money(r) }],
    payment: { amount: money(r) },
  }
}
export const document = (r) => ({
  ...start(r, 'DocumentReference', 'documentreference'),
  identifier: [identifier(r)],
  status: 'current',
  type: concept(LOINC, pick(r, ['34117-2', '18842-5']), pick(r, ['History and physical note', 'Discharge summary'])),
  category: [{ coding: [coding('http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category', 'clinical-note', 'Clinical Note')] }],
  subject: reference(r, 'Patient'),
  date: time(r),
  author: [reference(r, 'Practitioner', `Dr. ${Word(r)}`)],
  custodian: reference(r, 'Organization', Word(r)),
  content: [{ attachment: { contentType: pick(r, ['text/plain', 'application/pdf', 'image/png']), data: Buffer.from(`${date(r)} # Chief Complaint No complaints. # History of Present Illness ${Word(r)}`).toString('base64') }, format: coding('http://ihe.net/fhir/ValueSet/IHE.FormatCode.codesystem', 'urn:ihe:iti:xds:2017:mimeTypeSufficient', 'mimeType Sufficient') }],
  context: { encounter: [reference(r, 'Encounter')], period: period(r) },
})
export const organization = (r) => ({
  ...start(r, pick(r, ['Organization', 'Location']), 'organization'),
  identifier: [identifier(r)],
  active: true,
  type: [{ coding: [coding(`${HL7}organization-type`, 'prov', 'Healthcare Provider')], text: 'Healthcare Provider' }],
  name: `${Word(r)} HOSPITAL INC`,
  telecom: [phone(r)],
  address: [address(r)],
})
export const practitioner = (r) => ({
  ...start(r, 'Practitioner', 'practitioner'),
  identifier: [{ system: 'http://hl7.org/fhir/sid/us-npi', value: String(1e9 + int(r, 9e9)) }],
  active: true,
  name: [{ family: Word(r), given: [Word(r)], prefix: ['Dr.'] }],
  telecom: [phone(r)],
  address: [address(r)],
  gender: pick(r, ['female', 'male']),
})
export const auditEvent = (r) => {
  const dicom = (code, display) => ({ coding: [coding('http://dicom.nema.org/resources/ontology/DCM', code, display)] })
  const party = () => ({ identifier: { system: 'https://consentry.health/fhir/sid/party', value: `0x${hex(r, 64)}` } })
  const entity = (code, display, role, roleDisplay, what) => ({ what, type: coding(`${HL7}audit-entity-type`, code, display), role: coding(`${HL7}object-role`, role, roleDisplay) })
  const [action, interaction, name] = pick(r, [['R', 'read', 'Read'], ['C', 'create', 'Create'], ['U', 'update', 'Update'], ['E', 'search-type', 'Query']])
  const event = {
    ...start(r, 'AuditEvent'),
    meta: { versionId: '1', lastUpdated: time(r), profile: [`https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.Patient${name}`] },
    type: coding(`${HL7}audit-event-type`, 'rest', 'Restful Operation'),
    subtype: [coding('http://hl7.org/fhir/restful-interaction', interaction, interaction)],
    action,
    recorded: time(r),
    outcome: pick(r, ['0', '0', '0', '4', '8']),
    purposeOfEvent: [{ coding: [coding(`${HL7}v3-ActReason`, 'TREAT')] }],
    agent: [
      { type: dicom('110153', 'Source Role ID'), who: { identifier: { system: 'https://consentry.health/fhir/sid/client', value: 'ehr' } }, requestor: true, network: { address: '127.0.0.1', type: '2' } },
      { type: dicom('110152', 'Destination Role ID'), who: party(), requestor: false, network: { address: 'http://127.0.0.1:8080/fhir', type: '5' } },
      { type: { coding: [coding('https://profiles.ihe.net/ITI/BALP/CodeSystem/UserAgentTypes', 'UserOrganization', 'User Organization')] }, who: party(), requestor: false },
    ],
    source: { observer: party(), type: [coding(`${HL7}security-source-type`, '4', 'Application Server')] },
    entity: [
      entity('1', 'Person', '1', 'Patient', { reference: `Patient/${uuid(r)}` }),
      interaction === 'search-type'
        ? { ...entity('2', 'System Object', '24', 'Query'), query: Buffer.from(`Observation?patient=${uuid(r)}`).toString('base64') }
        : entity('2', 'System Object', '4', 'Domain Resource', { reference: `${pick(r, ['Observation', 'Encounter', 'Condition'])}/${uuid(r)}/_history/1` }),
      { what: { identifier: { value: uuid(r) } }, type: coding('https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType', 'XrequestId', 'X-Request-Id') },
    ],
  }
  // The trail writes RFC 8785 form: names in order.
  return r() < 0.8 ? sorted(event) : event
}
export const sorted = (value) =>
  Array.isArray(value) ? value.map(sorted) : value !== null && typeof value === 'object' ? Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])])) : value
export const provenance = (r) => ({
  ...start(r, 'Provenance', 'provenance'),
  target: Array.from({ length: 1 + int(r, 4) }, () => reference(r, pick(r, ['Observation', 'Encounter', 'Patient', 'Condition']))),
  recorded: time(r),
  agent: [{ type: { coding: [coding(`${HL7}provenance-participant-type`, 'author', 'Author')], text: 'Author' }, who: reference(r, 'Practitioner', `Dr. ${Word(r)}`), onBehalfOf: reference(r, 'Organization', Word(r)) }],
})
export const consent = (r) => ({
  ...start(r, 'Consent'),
  status: 'active',
  scope: bound('consentscope', 'patient-privacy'),
  category: [{ coding: [coding(LOINC, '59284-0', 'Consent Document')] }],
  patient: reference(r, 'Patient'),
  dateTime: time(r),
  policyRule: { coding: [coding(`${HL7}v3-ActCode`, 'OPTIN')] },
  provision: { type: 'permit', period: period(r), actor: [{ role: bound('v3-ParticipationType', 'IRCP'), reference: reference(r, 'Organization') }], action: [bound('consentaction', 'access')], securityLabel: [coding(`${HL7}v3-Confidentiality`, 'R')], purpose: [coding(`${HL7}v3-ActReason`, 'TREAT')] },
})


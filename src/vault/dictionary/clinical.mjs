import { pick, int, uuid, date, time, word, Word, number, HL7, SNOMED, LOINC, RXNORM, coding, concept, bound, snomed, reference, start, period, identifier, person, phone, address } from './values.mjs'
import { TESTS } from './observations.mjs'

/** The patient and what is done for it. */
export const patient = (r) => ({
  ...start(r, 'Patient', 'patient'),
  extension: [
    { url: 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-race', extension: [{ url: 'ombCategory', valueCoding: coding('urn:oid:2.16.840.1.113883.6.238', '2106-3', 'White') }, { url: 'text', valueString: 'White' }] },
    { url: 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity', extension: [{ url: 'ombCategory', valueCoding: coding('urn:oid:2.16.840.1.113883.6.238', '2186-5', 'Not Hispanic or Latino') }, { url: 'text', valueString: 'Not Hispanic or Latino' }] },
    { url: 'http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName', valueString: `${Word(r)} ${Word(r)}` },
    { url: 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex', valueCode: pick(r, ['F', 'M']) },
    { url: 'http://hl7.org/fhir/StructureDefinition/patient-birthPlace', valueAddress: { city: Word(r), state: Word(r), country: 'US' } },
  ],
  identifier: [
    { type: { coding: [coding(`${HL7}v2-0203`, 'MR', 'Medical Record Number')], text: 'Medical Record Number' }, system: 'http://hospital.example', value: uuid(r) },
    { type: { coding: [coding(`${HL7}v2-0203`, 'SS', 'Social Security Number')], text: 'Social Security Number' }, system: 'http://hl7.org/fhir/sid/us-ssn', value: `999-${10 + int(r, 89)}-${1000 + int(r, 8999)}` },
    { type: { coding: [coding(`${HL7}v2-0203`, 'DL', "Driver's License")], text: "Driver's License" }, system: 'urn:oid:2.16.840.1.113883.4.3.25', value: `S${int(r, 1e8)}` },
  ],
  active: true,
  name: [person(r)],
  telecom: [phone(r)],
  gender: pick(r, ['female', 'male']),
  birthDate: date(r),
  address: [{ extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/geolocation', extension: [{ url: 'latitude', valueDecimal: number(r) }, { url: 'longitude', valueDecimal: -number(r) }] }], ...address(r) }],
  maritalStatus: { coding: [coding(`${HL7}v3-MaritalStatus`, pick(r, ['M', 'S']), pick(r, ['M', 'S', 'Married', 'Never Married']))], text: pick(r, ['M', 'S']) },
  multipleBirthBoolean: false,
  communication: [{ language: { coding: [coding('urn:ietf:bcp:47', 'en-US', 'English')], text: 'English' } }],
  generalPractitioner: [reference(r, 'Practitioner')],
  managingOrganization: reference(r, 'Organization'),
})
export const encounter = (r) => ({
  ...start(r, 'Encounter', 'encounter'),
  identifier: [identifier(r)],
  status: 'finished',
  class: pick(r, [{ system: `${HL7}v3-ActCode`, code: 'AMB' }, coding(`${HL7}v3-ActCode`, 'EMER', 'emergency'), coding(`${HL7}v3-ActCode`, 'IMP', 'inpatient encounter')]),
  type: [concept(SNOMED, pick(r, ['162673000', '185345009', '185349003', '50849002']), pick(r, ['General examination of patient (procedure)', 'Encounter for symptom', 'Encounter for check up (procedure)', 'Emergency room admission (procedure)']))],
  subject: reference(r, 'Patient', `Mr. ${Word(r)} ${Word(r)}`),
  participant: [{ type: [{ coding: [coding(`${HL7}v3-ParticipationType`, 'PPRF', 'primary performer')], text: 'primary performer' }], period: period(r), individual: reference(r, 'Practitioner', `Dr. ${Word(r)} ${Word(r)}`) }],
  period: period(r),
  reasonCode: [snomed(r)],
  location: [{ location: reference(r, 'Location', Word(r)) }],
  serviceProvider: reference(r, 'Organization', `${Word(r)} HOSPITAL`),
})
export const condition = (r) => ({
  ...start(r, 'Condition', 'condition'),
  clinicalStatus: bound('condition-clinical', pick(r, ['active', 'resolved'])),
  verificationStatus: bound('condition-ver-status', 'confirmed'),
  category: [bound('condition-category', pick(r, ['encounter-diagnosis', 'problem-list-item']), pick(r, ['Encounter Diagnosis', 'Problem List Item']))],
  code: snomed(r),
  subject: reference(r, 'Patient'),
  encounter: reference(r, 'Encounter'),
  onsetDateTime: time(r),
  ...(r() < 0.5 ? { abatementDateTime: time(r) } : {}),
  recordedDate: time(r),
})
export const procedure = (r) => ({
  ...start(r, 'Procedure', 'procedure'),
  status: 'completed',
  code: snomed(r),
  subject: reference(r, 'Patient'),
  encounter: reference(r, 'Encounter'),
  performedPeriod: period(r),
  location: reference(r, 'Location', Word(r)),
  ...(r() < 0.3 ? { reasonReference: [reference(r, 'Condition', Word(r))] } : {}),
})
export const medication = (r) => ({
  ...start(r, 'MedicationRequest', 'medicationrequest'),
  status: pick(r, ['active', 'stopped', 'completed']),
  intent: 'order',
  category: [{ coding: [coding(`${HL7}medicationrequest-category`, 'community', 'Community')], text: 'Community' }],
  medicationCodeableConcept: concept(RXNORM, String(100000 + int(r, 1e6)), `${Word(r)} ${int(r, 500)} MG ${pick(r, ['Oral Tablet', 'Oral Capsule', '[Brand]', 'Injection'])}`),
  subject: reference(r, 'Patient'),
  encounter: reference(r, 'Encounter'),
  authoredOn: time(r),
  requester: reference(r, 'Practitioner', `Dr. ${Word(r)} ${Word(r)}`),
  reasonReference: [reference(r, 'Condition', Word(r))],
  dosageInstruction: [{ sequence: 1, text: 'Take as needed.', timing: { repeat: { frequency: 1, period: 1, periodUnit: 'd' } }, asNeededBoolean: false, doseAndRate: [{ type: bound('dose-rate-type', 'ordered', 'Ordered'), doseQuantity: { value: 1 } }] }],
})
export const immunization = (r) => ({
  ...start(r, 'Immunization', 'immunization'),
  status: 'completed',
  vaccineCode: concept('http://hl7.org/fhir/sid/cvx', String(int(r, 200)), pick(r, ['Influenza, seasonal, injectable, preservative free', 'Td (adult) preservative free', 'SARS-COV-2 (COVID-19) vaccine, mRNA', word(r)])),
  patient: reference(r, 'Patient'),
  encounter: reference(r, 'Encounter'),
  occurrenceDateTime: time(r),
  primarySource: true,
  location: reference(r, 'Location', Word(r)),
})
export const report = (r) => ({
  ...start(r, 'DiagnosticReport', 'diagnosticreport-lab'),
  status: 'final',
  category: [pick(r, [{ coding: [coding(`${HL7}v2-0074`, 'LAB', 'Laboratory')] }, { coding: [coding(LOINC, '34117-2', 'History and physical note'), coding(LOINC, '51847-2', 'Evaluation + Plan note')] }])],
  code: concept(LOINC, pick(r, ['51990-0', '57698-3', '58410-2']), pick(r, ['Basic Metabolic Panel', 'Lipid Panel', 'Complete blood count (hemogram) panel - Blood by Automated count'])),
  subject: reference(r, 'Patient'),
  encounter: reference(r, 'Encounter'),
  effectiveDateTime: time(r),
  issued: time(r),
  performer: [reference(r, 'Practitioner', `Dr. ${Word(r)}`)],
  result: Array.from({ length: 1 + int(r, 8) }, () => reference(r, 'Observation', pick(r, TESTS)[1])),
})
export const allergy = (r) => ({
  ...start(r, 'AllergyIntolerance', 'allergyintolerance'),
  clinicalStatus: bound('allergyintolerance-clinical', 'active', 'Active'),
  verificationStatus: bound('allergyintolerance-verification', 'confirmed', 'Confirmed'),
  type: 'allergy',
  category: [pick(r, ['food', 'medication', 'environment'])],
  criticality: pick(r, ['low', 'high']),
  code: snomed(r),
  patient: reference(r, 'Patient'),
  recordedDate: time(r),
  reaction: [{ manifestation: [snomed(r)], severity: 'mild' }],
})
export const carePlan = (r) => ({
  ...start(r, 'CarePlan', 'careplan'),
  status: pick(r, ['active', 'completed']),
  intent: 'order',
  category: [{ coding: [coding('http://hl7.org/fhir/us/core/CodeSystem/careplan-category', 'assess-plan')] }, snomed(r)],
  subject: reference(r, 'Patient'),
  encounter: reference(r, 'Encounter'),
  period: { start: time(r) },
  careTeam: [reference(r, 'CareTeam')],
  addresses: [reference(r, 'Condition')],
  activity: Array.from({ length: 2 }, () => ({ detail: { code: snomed(r), status: 'in-progress', location: { display: Word(r) } } })),
})
export const careTeam = (r) => ({
  ...start(r, 'CareTeam', 'careteam'),
  status: 'active',
  subject: reference(r, 'Patient'),
  encounter: reference(r, 'Encounter'),
  period: { start: time(r) },
  participant: [
    { role: [concept(SNOMED, '116154003', 'Patient')], member: reference(r, 'Patient', Word(r)) },
    { role: [concept(SNOMED, '223366009', 'Healthcare professional (occupation)')], member: reference(r, 'Practitioner', `Dr. ${Word(r)}`) },
    { role: [concept(SNOMED, '224891009', 'Healthcare services')], member: reference(r, 'Organization', Word(r)) },
  ],
  managingOrganization: [reference(r, 'Organization', Word(r))],
})
export const imaging = (r) => ({
  ...start(r, 'ImagingStudy'),
  identifier: [{ use: 'official', system: 'urn:dicom:uid', value: `urn:oid:1.2.840.99999999.${int(r, 1e8)}` }],
  status: 'available',
  subject: reference(r, 'Patient'),
  encounter: reference(r, 'Encounter'),
  started: time(r),
  numberOfSeries: 1,
  numberOfInstances: 1,
  procedureCode: [snomed(r)],
  series: [{ uid: `1.2.840.99999999.1.${int(r, 1e8)}`, number: 1, modality: coding('http://dicom.nema.org/resources/ontology/DCM', 'DX', 'Digital Radiography'), numberOfInstances: 1, bodySite: coding(SNOMED, '51185008', 'Thoracic structure (body structure)'), started: time(r), instance: [{ uid: `1.2.840.99999999.1.1.${int(r, 1e8)}`, sopClass: coding('urn:ietf:rfc:3986', 'urn:oid:1.2.840.10008.5.1.4.1.1.1.1'), number: 1, title: 'Image of chest' }] }],
})
export const device = (r) => ({
  ...start(r, 'Device', 'implantable-device'),
  udiCarrier: [{ deviceIdentifier: String(int(r, 1e14)), carrierHRF: `(01)${int(r, 1e14)}(11)200101(17)250101(10)${int(r, 1e6)}(21)${int(r, 1e9)}` }],
  status: 'active',
  distinctIdentifier: String(int(r, 1e14)),
  manufactureDate: time(r),
  expirationDate: time(r),
  lotNumber: String(int(r, 1e9)),
  serialNumber: String(int(r, 1e9)),
  deviceName: [{ name: Word(r), type: 'user-friendly-name' }],
  type: snomed(r),
  patient: reference(r, 'Patient'),
})
export const administration = (r) => ({
  ...start(r, 'MedicationAdministration'),
  status: 'completed',
  medicationCodeableConcept: concept(RXNORM, String(100000 + int(r, 1e6)), Word(r)),
  subject: reference(r, 'Patient'),
  context: reference(r, 'Encounter'),
  effectiveDateTime: time(r),
  reasonReference: [reference(r, 'Condition')],
})
export const supply = (r) => ({
  ...start(r, 'SupplyDelivery'),
  status: 'completed',
  patient: reference(r, 'Patient'),
  type: bound('supply-item-type', 'device', 'Device'),
  suppliedItem: { quantity: { value: 1 }, itemCodeableConcept: snomed(r) },
  occurrenceDateTime: time(r),
})
export const goal = (r) => ({
  ...start(r, 'Goal', 'goal'),
  lifecycleStatus: 'active',
  achievementStatus: bound('goal-achievement', 'in-progress'),
  description: { text: `Maintain ${word(r)} below ${int(r, 200)}` },
  subject: reference(r, 'Patient'),
  addresses: [reference(r, 'Condition')],
})

import { randomUUID } from 'node:crypto'
import { png } from './png.js'

/** One resource of the story, known to the others by a `urn:uuid:` until the server gives it an id. */
interface Entry {
  readonly fullUrl: string
  readonly resource: Record<string, unknown> & { resourceType: string }
}

const LOINC = 'http://loinc.org'
const UCUM = 'http://unitsofmeasure.org'
const OBSERVATION_CATEGORY = 'http://terminology.hl7.org/CodeSystem/observation-category'
const ACT_CODE = 'http://terminology.hl7.org/CodeSystem/v3-ActCode'

/** Fixed names make the leak checks of the story exact: none of these may be found in a database or block. */
export const STORY = {
  family: 'Aldenhoven-Krüger',
  given: 'Marit Johanne',
  birthDate: '1971-08-23',
  street: 'Lindenpromenade 118',
  city: 'Greifswalde',
  identifier: { system: 'urn:oid:2.16.840.1.113883.19.5.99999', value: 'MRN-40718823' },
  sensitive: 'Recurrent depressive disorder, in psychotherapy',
} as const

class Entries {
  readonly all: Entry[] = []

  add(resource: Entry['resource']): { reference: string } {
    const fullUrl = `urn:uuid:${randomUUID()}`
    this.all.push({ fullUrl, resource })
    return { reference: fullUrl }
  }
}

/**
 * An invented patient's record of several years as a transaction Bundle: chronic conditions, vitals, laboratory,
 * medications, an image, and one condition labelled PSY (sensitive). No real person, and no text of anyone else.
 */
export function patientRecord(): { bundle: object; resources: number; patientUrl: string; sensitiveUrl: string } {
  const record = new Entries()
  const hospital = record.add({
    resourceType: 'Organization',
    active: true,
    name: 'Hospital A',
    telecom: [phone('+49 3834 0000')],
  })
  const physician = record.add(practitioner('Tessa', 'Vollrath'))
  const therapist = record.add(practitioner('Ole', 'Brinkmann'))
  const patient = record.add(demographics(hospital))
  const base = { subject: patient }

  const encounters = VISITS.map((visit, i) =>
    record.add({
      resourceType: 'Encounter',
      status: 'finished',
      class: coding(ACT_CODE, i % 3 === 0 ? 'EMER' : 'AMB', i % 3 === 0 ? 'emergency' : 'ambulatory'),
      type: [{ text: i % 3 === 0 ? 'Emergency visit' : 'Follow-up visit' }],
      ...base,
      participant: [{ individual: physician }],
      period: { start: `${visit}T08:15:00+01:00`, end: `${visit}T09:05:00+01:00` },
      serviceProvider: hospital,
    }),
  )
  for (const [i, visit] of VISITS.entries()) {
    const encounter = encounters[i] as { reference: string }
    for (const observation of vitals(i))
      record.add({ ...observation, ...base, encounter, effectiveDateTime: `${visit}T08:25:00+01:00` })
    for (const observation of laboratory(i))
      record.add({ ...observation, ...base, encounter, effectiveDateTime: `${visit}T08:40:00+01:00` })
  }
  for (const [text, onset] of CONDITIONS) record.add(condition(text, onset, patient))
  const sensitive = record.add({
    ...condition(STORY.sensitive, '2019-02-11', patient),
    asserter: therapist,
    meta: { security: [coding(ACT_CODE, 'PSY', 'psychiatry disorder information sensitivity')] },
  })
  for (const [text, dose] of MEDICATIONS) record.add(medication(text, dose, patient, physician))
  for (const [text, date] of IMMUNIZATIONS) {
    record.add({
      resourceType: 'Immunization',
      status: 'completed',
      vaccineCode: { text },
      patient,
      occurrenceDateTime: date,
      primarySource: true,
    })
  }
  record.add(allergy('Penicillin', 'high', patient))
  record.add(allergy('Hazelnut', 'low', patient))
  for (const [text, date] of PROCEDURES) {
    record.add({
      resourceType: 'Procedure',
      status: 'completed',
      code: { text },
      ...base,
      performedDateTime: date,
      performer: [{ actor: physician }],
    })
  }
  record.add(imaging(patient, encounters[3] as { reference: string }, physician))
  record.add(carePlan(patient, physician))
  record.add({
    resourceType: 'Coverage',
    status: 'active',
    beneficiary: patient,
    subscriberId: 'Q 418 207 733',
    payor: [{ display: 'Statutory health insurance' }],
  })
  const bundle = {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: record.all.map(({ fullUrl, resource }) => ({
      fullUrl,
      resource,
      request: { method: 'POST', url: resource.resourceType },
    })),
  }
  return { bundle, resources: record.all.length, patientUrl: patient.reference, sensitiveUrl: sensitive.reference }
}

const VISITS = ['2021-03-09', '2022-01-18', '2022-11-02', '2023-09-26', '2024-06-13', '2025-05-20']
const CONDITIONS: readonly [string, string][] = [
  ['Type 2 diabetes mellitus', '2014-05-02'],
  ['Essential hypertension', '2011-10-17'],
  ['Hyperlipidaemia', '2015-01-30'],
  ['Osteoarthritis of the left knee', '2022-11-02'],
]
const MEDICATIONS: readonly [string, string][] = [
  ['Metformin 1000 mg tablet', 'one tablet twice a day'],
  ['Ramipril 5 mg tablet', 'one tablet in the morning'],
  ['Atorvastatin 20 mg tablet', 'one tablet in the evening'],
  ['Ibuprofen 400 mg tablet', 'one tablet when in pain, at most three a day'],
]
const IMMUNIZATIONS: readonly [string, string][] = [
  ['Influenza, quadrivalent', '2023-10-04'],
  ['Influenza, quadrivalent', '2024-10-09'],
  ['Tetanus and diphtheria booster', '2019-06-21'],
  ['Pneumococcal conjugate', '2022-01-18'],
]
const PROCEDURES: readonly [string, string][] = [
  ['Arthroscopy of the left knee', '2022-12-07'],
  ['Colonoscopy', '2024-02-15'],
]

function coding(system: string, code: string, display: string): object {
  return { system, code, display }
}

function phone(value: string): object {
  return { system: 'phone', value, use: 'work' }
}

function practitioner(given: string, family: string): Entry['resource'] {
  return { resourceType: 'Practitioner', active: true, name: [{ family, given: [given], prefix: ['Dr.'] }] }
}

function demographics(hospital: object): Entry['resource'] {
  return {
    resourceType: 'Patient',
    identifier: [{ use: 'usual', ...STORY.identifier }],
    active: true,
    name: [{ use: 'official', family: STORY.family, given: STORY.given.split(' ') }],
    telecom: [{ system: 'phone', value: '+49 3834 555 0199', use: 'home' }],
    gender: 'female',
    birthDate: STORY.birthDate,
    address: [{ use: 'home', line: [STORY.street], city: STORY.city, postalCode: '17489', country: 'DE' }],
    managingOrganization: hospital,
  }
}

function observation(category: string, code: string, display: string, value: object): Entry['resource'] {
  return {
    resourceType: 'Observation',
    status: 'final',
    category: [{ coding: [coding(OBSERVATION_CATEGORY, category, category)] }],
    code: { coding: [coding(LOINC, code, display)], text: display },
    ...value,
  }
}

function quantity(value: number, unit: string, code: string): object {
  return { valueQuantity: { value, unit, system: UCUM, code } }
}

function vitals(visit: number): Entry['resource'][] {
  const component = (code: string, display: string, value: number): object => ({
    code: { coding: [coding(LOINC, code, display)] },
    ...quantity(value, 'mmHg', 'mm[Hg]'),
  })
  return [
    observation('vital-signs', '85354-9', 'Blood pressure panel', {
      component: [
        component('8480-6', 'Systolic blood pressure', 146 - visit * 3),
        component('8462-4', 'Diastolic blood pressure', 92 - visit * 2),
      ],
    }),
    observation('vital-signs', '8867-4', 'Heart rate', quantity(78 - visit, 'beats/minute', '/min')),
    observation('vital-signs', '29463-7', 'Body weight', quantity(84.5 - visit * 0.6, 'kg', 'kg')),
  ]
}

function laboratory(visit: number): Entry['resource'][] {
  return [
    observation(
      'laboratory',
      '4548-4',
      'Hemoglobin A1c/Hemoglobin.total in Blood',
      quantity(7.9 - visit * 0.2, '%', '%'),
    ),
    observation(
      'laboratory',
      '2160-0',
      'Creatinine [Mass/volume] in Serum or Plasma',
      quantity(0.91 + visit * 0.01, 'mg/dL', 'mg/dL'),
    ),
    observation(
      'laboratory',
      '2089-1',
      'Cholesterol in LDL [Mass/volume] in Serum or Plasma',
      quantity(131 - visit * 4, 'mg/dL', 'mg/dL'),
    ),
  ]
}

function condition(text: string, onset: string, subject: object): Entry['resource'] {
  const clinical = 'http://terminology.hl7.org/CodeSystem/condition-clinical'
  return {
    resourceType: 'Condition',
    clinicalStatus: { coding: [coding(clinical, 'active', 'Active')] },
    code: { text },
    subject,
    onsetDateTime: onset,
  }
}

function medication(text: string, dose: string, subject: object, requester: object): Entry['resource'] {
  return {
    resourceType: 'MedicationRequest',
    status: 'active',
    intent: 'order',
    medicationCodeableConcept: { text },
    subject,
    authoredOn: '2024-06-13',
    requester,
    dosageInstruction: [{ text: dose }],
  }
}

function allergy(text: string, criticality: 'low' | 'high', patient: object): Entry['resource'] {
  const clinical = 'http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical'
  return {
    resourceType: 'AllergyIntolerance',
    clinicalStatus: { coding: [coding(clinical, 'active', 'Active')] },
    code: { text },
    criticality,
    patient,
  }
}

function imaging(subject: object, encounter: object, author: object): Entry['resource'] {
  return {
    resourceType: 'DocumentReference',
    status: 'current',
    type: { text: 'Radiograph of the left knee' },
    subject,
    date: '2023-09-26T09:30:00+01:00',
    author: [author],
    content: [
      {
        attachment: {
          contentType: 'image/png',
          data: Buffer.from(png(192, 192)).toString('base64'),
          title: 'Left knee, anterior-posterior',
        },
      },
    ],
    context: { encounter: [encounter] },
  }
}

function carePlan(subject: object, author: object): Entry['resource'] {
  return {
    resourceType: 'CarePlan',
    status: 'active',
    intent: 'plan',
    title: 'Diabetes and blood pressure',
    subject,
    author,
    activity: [
      { detail: { status: 'in-progress', description: 'Walk 30 minutes on five days a week' } },
      { detail: { status: 'scheduled', description: 'Eye examination once a year' } },
    ],
  }
}

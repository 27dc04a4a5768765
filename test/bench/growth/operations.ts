import { identifierOf, nameOf, type Person, shifted, type Template } from './bundles.js'

/** One of the requests that are measured. */
export interface Operation {
  readonly name: string
  /** What it finds does not depend on how many other patients there are. */
  readonly selective: boolean
  /** About patients of whom nothing is read. */
  readonly writes?: boolean
  readonly request: (about: Subject) => Request
  /** Follows so many `next` links before the one that is measured. */
  readonly after?: number
}

export interface Request {
  readonly method: string
  /** Below the base; empty: the base itself. */
  readonly path: string
  readonly body?: string
}

export interface Subject {
  readonly template: Template
  readonly person: Person
}

const get = (path: (about: Subject) => string): Operation['request'] => {
  return (about) => ({ method: 'GET', path: path(about) })
}
const patient = ({ person }: Subject): string => `patient=Patient/${person.patient}`
const code = ({ template }: Subject): string => `code=${encodeURIComponent(template.code)}`
const identifier = ({ template, person }: Subject): string =>
  encodeURIComponent(`${template.identifier.system}|${identifierOf(person.copy)}`)
const dates = ({ template, person }: Subject): string =>
  `date=ge${shifted(template.from, person.copy)}&date=le${shifted(template.until, person.copy)}`
const family = ({ person }: Subject): string => nameOf(person.copy)[0]

const observation = ({ template, person }: Subject, more: object = {}): object => ({
  resourceType: 'Observation',
  ...more,
  status: 'final',
  code: { coding: [{ system: 'http://loinc.org', code: '8867-4', display: 'Heart rate' }] },
  subject: { reference: `Patient/${person.patient}` },
  effectiveDateTime: `${shifted(template.until, person.copy)}T08:00:00Z`,
  valueQuantity: { value: 60, unit: '/min', system: 'http://unitsofmeasure.org', code: '/min' },
})

export const OPERATIONS: readonly Operation[] = [
  { name: 'read', selective: true, request: get(({ person }) => `Observation/${person.observation}`) },
  {
    name: 'token: Patient?identifier',
    selective: true,
    request: get((about) => `Patient?identifier=${identifier(about)}`),
  },
  {
    name: 'Observation?patient&code&date=ge&date=le',
    selective: true,
    request: get((about) => `Observation?${patient(about)}&${code(about)}&${dates(about)}`),
  },
  {
    name: 'Observation?patient&date=ge&date=le',
    selective: true,
    request: get((about) => `Observation?${patient(about)}&${dates(about)}&_count=10`),
  },
  {
    name: 'Observation?patient&code&value-quantity=gt',
    selective: true,
    request: get((about) => `Observation?${patient(about)}&${code(about)}&value-quantity=gt0`),
  },
  {
    name: 'name prefix: Patient?family',
    selective: true,
    request: get((about) => `Patient?family=${family(about).slice(0, -2)}`),
  },
  {
    name: 'chain: Observation?patient.identifier&code',
    selective: true,
    request: get((about) => `Observation?patient.identifier=${identifier(about)}&${code(about)}`),
  },
  {
    name: 'chain: Observation?subject:Patient.family&code',
    selective: true,
    request: get((about) => `Observation?subject:Patient.family=${family(about)}&${code(about)}`),
  },
  {
    name: 'Patient?identifier&_has:Observation:patient:code',
    selective: true,
    request: get((about) => `Patient?identifier=${identifier(about)}&_has:Observation:patient:${code(about)}`),
  },
  {
    name: '_include: Observation?patient&code, encounter and patient',
    selective: true,
    request: get(
      (about) =>
        `Observation?${patient(about)}&${code(about)}&_include=Observation:encounter&_include=Observation:patient`,
    ),
  },
  {
    name: '_revinclude: Encounter?patient, Observation:encounter',
    selective: true,
    request: get((about) => `Encounter?${patient(about)}&_count=5&_revinclude=Observation:encounter`),
  },
  {
    name: '_sort: Observation?patient&_sort=-date',
    selective: true,
    request: get((about) => `Observation?${patient(about)}&_sort=-date&_count=10`),
  },
  {
    name: 'page 10: Observation?patient',
    selective: true,
    request: get(
      (about) => `Observation?${patient(about)}&_count=${Math.max(1, Math.floor(about.template.observations / 12))}`,
    ),
    after: 9,
  },
  {
    name: 'create',
    selective: true,
    writes: true,
    request: (about) => ({ method: 'POST', path: 'Observation', body: JSON.stringify(observation(about)) }),
  },
  {
    name: 'update',
    selective: true,
    writes: true,
    request: (about) => ({
      method: 'PUT',
      path: `Observation/${about.person.observation}`,
      body: JSON.stringify(observation(about, { id: about.person.observation })),
    }),
  },
  {
    name: 'transaction of 100',
    selective: true,
    writes: true,
    request: (about) => ({
      method: 'POST',
      path: '',
      body: JSON.stringify({
        resourceType: 'Bundle',
        type: 'transaction',
        entry: Array.from({ length: 100 }, () => ({
          resource: observation(about),
          request: { method: 'POST', url: 'Observation' },
        })),
      }),
    }),
  },
  {
    name: 'every patient: Observation?code',
    selective: false,
    request: get((about) => `Observation?${code(about)}&_count=10`),
  },
  {
    name: 'every patient: Observation?code&_total=none',
    selective: false,
    request: get((about) => `Observation?${code(about)}&_count=10&_total=none`),
  },
  {
    name: 'every patient: page 10 of Observation?category',
    selective: false,
    request: get(() => 'Observation?category=vital-signs&_count=10'),
    after: 9,
  },
  {
    name: 'every patient: page 10 of Observation?category&_total=none',
    selective: false,
    request: get(() => 'Observation?category=vital-signs&_count=10&_total=none'),
    after: 9,
  },
]

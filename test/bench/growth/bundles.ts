import { stringify } from '../../../src/fhir/json.js'
import { listShared, readShared } from '../../support/shared-data.js'

/**
 * Patients without end, the same in every run: Synthea transactions (https://github.com/synthetichealth/synthea) in turns, each copy with a name,
 * an identifier and dates of its own, so that values are as frequent at every size as they are in the originals, while each patient stays
 * one among many. Where the shared data is absent the shapes are made up.
 */
export interface Template {
  readonly text: string
  readonly resources: number
  readonly family: string
  readonly given: string
  readonly identifier: { readonly system: string; readonly value: string }
  /** Of the most frequent code among the patient's Observations, `system|code`, and a range of its dates. */
  readonly code: string
  readonly from: string
  readonly until: string
  readonly observations: number
}

/** What a search can ask of one copy. */
export interface Person {
  /** Place of its template. */
  readonly template: number
  readonly copy: number
  readonly patient: string
  readonly observation: string
}

interface Loose {
  readonly resourceType: string
  readonly [element: string]: unknown
}

const DAY = 86_400_000
const DATE = /"(\d{4}-\d\d-\d\d)(T[^"]*)?"/g

export function templates(): Template[] {
  const files = listShared('synthea', '2019-smart').filter((name) => !/^(hospital|practitioner)/.test(name))
  const bundles = files.map((name) => readShared('synthea', '2019-smart', name))
  return (bundles.length > 0 ? bundles : [madeUp()]).map((bundle) => template(stringify(bundle)))
}

/** The text of a copy; `copy` 0 of a template is not the original either. */
export function bundleOf(of: Template, copy: number): string {
  const [family, given] = nameOf(copy)
  return of.text
    .replaceAll(`"family":"${of.family}"`, `"family":"${family}"`)
    .replaceAll(`"${of.given}"`, `"${given}"`)
    .replaceAll(of.identifier.value, identifierOf(copy))
    .replace(DATE, (_, date: string, time = '') => `"${shifted(date, copy)}${time}"`)
}

export function identifierOf(copy: number): string {
  return `bench-${scattered(copy, 3).toString(16).padStart(8, '0')}-${copy}`
}

/** Family and given name; families share their first syllables with others. */
export function nameOf(copy: number): [family: string, given: string] {
  const of = (salt: number, count: number): string =>
    Array.from({ length: count }, (_, i) => SYLLABLES[scattered(copy, salt + i) % SYLLABLES.length]).join('')
  const name = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)
  return [name(of(10, 5)), name(of(20, 2))]
}

/** A day of the template as it is in the copy. */
export function shifted(date: string, copy: number): string {
  const days = (scattered(copy, 7) % 2000) - 1000
  return new Date(Date.parse(date) + days * DAY).toISOString().slice(0, 10)
}

const SYLLABLES = [...'bdfgklmnprstvz'].flatMap((consonant) => [...'aeiou'].map((vowel) => consonant + vowel))

/** A whole number of 32 bits that depends on both; Fowler, Noll and Vo's hash. */
function scattered(copy: number, salt: number): number {
  let state = 0x811c9dc5
  for (const byte of Buffer.from(`${copy}/${salt}`)) state = Math.imul(state ^ byte, 0x01000193) >>> 0
  return Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) >>> 0
}

function template(text: string): Template {
  const { entry } = JSON.parse(text) as { entry: { resource: Loose }[] }
  const resources = entry.map(({ resource }) => resource)
  const patient = resources.find(({ resourceType }) => resourceType === 'Patient') as Loose & {
    name: { family: string; given: string[] }[]
    identifier: { system: string; value: string }[]
  }
  const observations = resources.filter(({ resourceType }) => resourceType === 'Observation') as (Loose & {
    code: { coding: { system: string; code: string }[] }
    effectiveDateTime: string
  })[]
  const coded = Map.groupBy(observations, ({ code: { coding } }) => `${coding[0]?.system}|${coding[0]?.code}`)
  const [code, those] = [...coded].sort(([, a], [, b]) => b.length - a.length)[0] ?? ['', []]
  const days = those.map(({ effectiveDateTime }) => effectiveDateTime.slice(0, 10)).sort()
  const day = (at: number): string => days[Math.floor((days.length - 1) * at)] ?? '2000-01-01'
  const [name, identifier] = [patient.name[0], patient.identifier[0]]
  if (name === undefined || identifier === undefined) throw new Error('A template has no name or identifier.')
  return {
    text,
    resources: resources.length,
    family: name.family,
    given: name.given[0] ?? '',
    identifier,
    code,
    from: day(0.25),
    until: day(0.75),
    observations: observations.length,
  }
}

/** 200 resources in the proportions of Synthea. */
function madeUp(): unknown {
  const patient = 'urn:uuid:00000000-0000-4000-8000-000000000000'
  const visit = (i: number): string => `urn:uuid:00000000-0000-4000-8000-1${String(i).padStart(11, '0')}`
  const at = (i: number): string => new Date(Date.UTC(2000) + i * 61 * DAY).toISOString().slice(0, 10)
  const loinc = (code: string) => ({ coding: [{ system: 'http://loinc.org', code }] })
  const coded = (system: string, code: string) => ({ coding: [{ system, code }] })
  const entry = (resource: Loose, fullUrl?: string) => ({
    ...(fullUrl === undefined ? {} : { fullUrl }),
    resource,
    request: { method: 'POST', url: resource.resourceType },
  })
  const visits = Array.from({ length: 40 }, (_, i) =>
    entry(
      {
        resourceType: 'Encounter',
        status: 'finished',
        class: { code: 'AMB' },
        subject: { reference: patient },
        period: { start: at(i), end: at(i) },
      },
      visit(i),
    ),
  )
  const observations = Array.from({ length: 159 }, (_, i) =>
    entry({
      resourceType: 'Observation',
      status: 'final',
      category: [coded('http://terminology.hl7.org/CodeSystem/observation-category', 'vital-signs')],
      code: loinc(`${8000 + (i % 9)}-1`),
      subject: { reference: patient },
      encounter: { reference: visit(i % 40) },
      effectiveDateTime: at(i % 40),
      valueQuantity: { value: i, unit: 'cm', system: 'http://unitsofmeasure.org', code: 'cm' },
    }),
  )
  const person = {
    resourceType: 'Patient',
    identifier: [{ system: 'urn:mrn', value: 'made-up-identifier' }],
    name: [{ family: 'Madeupfamily', given: ['Madeupgiven'] }],
    birthDate: '1999-12-01',
  }
  return {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: [entry(person, patient), ...visits, ...observations],
  }
}

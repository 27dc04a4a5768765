import { type ElementRow, type ElementType, structures, valueSets } from '../../src/fhir/definitions/structures.js'
import type { JsonObject, JsonValue } from '../../src/fhir/json.js'

/** Of each primitive type a value that every element of the type may have. */
const PRIMITIVES: Readonly<Record<string, JsonValue>> = {
  base64Binary: 'AAAA',
  boolean: true,
  canonical: 'http://example.org/canonical',
  code: 'code',
  date: '2024-01-01',
  dateTime: '2024-01-01',
  decimal: 1,
  id: 'id',
  instant: '2024-01-01T00:00:00Z',
  integer: 1,
  markdown: 'text',
  oid: 'urn:oid:1.2.3',
  positiveInt: 1,
  string: 'text',
  time: '12:00:00',
  unsignedInt: 1,
  uri: 'http://example.org/uri',
  url: 'http://example.org/url',
  uuid: 'urn:uuid:c757873d-ec9a-4326-a141-556f43239520',
  xhtml: '<div xmlns="http://www.w3.org/1999/xhtml">text</div>',
}

const SOMEBODY = { display: 'somebody' }

/** What invariants want besides, or in place of the first value that the definitions allow. */
const BESIDES: Readonly<Record<string, JsonObject>> = {
  AllergyIntolerance: {
    clinicalStatus: {
      coding: [{ system: 'http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical', code: 'active' }],
    },
  },
  Appointment: { participant: [{ status: 'accepted', actor: SOMEBODY }] },
  AppointmentResponse: { actor: SOMEBODY },
  Bundle: { type: 'collection' },
  CapabilityStatement: { kind: 'requirements', description: 'text', rest: [{ mode: 'server' }] },
  Consent: { policyRule: { text: 'text' } },
  EventDefinition: { trigger: [{ type: 'named-event', name: 'text' }] },
  ImmunizationRecommendation: {
    recommendation: [{ forecastStatus: { text: 'text' }, vaccineCode: [{ text: 'text' }] }],
  },
  InsurancePlan: { name: 'text' },
  Linkage: { item: [1, 2].map(() => ({ type: 'source', resource: SOMEBODY })) },
  Organization: { name: 'text' },
  StructureDefinition: { kind: 'resource', type: 'Basic', differential: { element: [{ id: 'Basic', path: 'Basic' }] } },
  // this server delivers to nobody and says so
  Subscription: { status: 'off' },
  TerminologyCapabilities: { kind: 'requirements', description: 'text' },
}

/**
 * A resource of the type with no more than R4 does not let it be without; a reference that may be to a Patient is to this one.
 *
 * @param patient `Patient/…`
 */
export function minimalResource(type: string, id: string, patient: string): JsonObject {
  return { resourceType: type, id, ...required(type, patient), ...BESIDES[type] }
}

function required(path: string, patient: string): JsonObject {
  const elements = structures().types[path]?.elements ?? []
  return Object.fromEntries(elements.filter(([, min]) => min > 0).map((row) => valued(row, patient)))
}

function valued([name, , max, types, valueSet]: ElementRow, patient: string): [string, JsonValue] {
  const [type = 'string'] = types
  const code = typeof type === 'string' ? type : type[0]
  const key = name.endsWith('[x]') ? `${name.slice(0, -3)}${code.charAt(0).toUpperCase()}${code.slice(1)}` : name
  const value = valueOf(type, valueSet ?? undefined, patient)
  return [key, max === 1 ? value : [value]]
}

function valueOf(type: ElementType, valueSet: string | undefined, patient: string): JsonValue {
  if (typeof type !== 'string') return type.includes('Patient') ? { reference: patient } : SOMEBODY
  const [[system, codes] = ['', []]] = Object.entries((valueSet && valueSets()[valueSet]) || {})
  const [first] = codes
  if (type === 'code' && first !== undefined) return first
  if (type === 'CodeableConcept') return first === undefined ? { text: 'text' } : { coding: [{ system, code: first }] }
  if (type === 'Coding')
    return { system: first === undefined ? 'http://example.org/codes' : system, code: first ?? 'code' }
  if (type.startsWith('#')) return required(type.slice(1), patient)
  return PRIMITIVES[type] ?? withSomething(type, patient)
}

/** "An element has a value or children" (ele-1). */
function withSomething(type: string, patient: string): JsonObject {
  if (type === 'Reference') return SOMEBODY
  const needed = required(type, patient)
  if (Object.keys(needed).length > 0) return needed
  const simple = structures().types[type]?.elements.find(([name, , , [of]]) => name !== 'id' && PRIMITIVES[String(of)])
  return simple === undefined ? {} : Object.fromEntries([valued(simple, patient)])
}

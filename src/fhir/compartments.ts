import { patientCompartment } from './definitions/structures.js'
import { parseReference } from './references.js'
import type { Identifier, Reference, Resource } from './types.js'

/** One place that puts a resource into the compartment of a patient. */
export interface PatientReference {
  /** Search parameter of the CompartmentDefinition: `subject`, `performer`, … */
  readonly parameter: string
  /** Place below the resource, `participant[0].actor`. */
  readonly path: string
  /** The literal reference as it is written; `parseReference` reads it. */
  readonly reference: string
}

/** The same by identifier: whose patient that is, only the caller may know. */
export interface PatientIdentifier {
  readonly parameter: string
  readonly path: string
  readonly identifier: Identifier
}

/**
 * The literal references by which a resource is in patients' compartments, by the Patient CompartmentDefinition
 * of R4 (https://hl7.org/fhir/R4/compartmentdefinition-patient.html): to a Patient of this or another server,
 * conditional ones (`Patient?identifier=…`), and URNs, which may mean a Patient of the same Bundle and are the
 * caller's to resolve. Not listed are references to another type and contained patients, who have no identity.
 *
 * A Patient is in its own compartment as well; that is no reference, so it is not listed.
 */
export function patientReferences(resource: Resource): PatientReference[] {
  const found: PatientReference[] = []
  for (const { parameter, path, value } of referencesInPlaces(resource)) {
    const { reference, type } = value
    if (typeof reference === 'string' && meansPatient(reference, type)) found.push({ parameter, path, reference })
  }
  return found
}

/** The references to a patient by identifier alone, at places that put a resource into a compartment. */
export function patientIdentifiers(resource: Resource): PatientIdentifier[] {
  const found: PatientIdentifier[] = []
  for (const { parameter, path, value } of referencesInPlaces(resource)) {
    const { reference, identifier, type } = value
    if (reference !== undefined || identifier === undefined) continue
    // places named `patient` take no other type
    if (type === 'Patient' || (type === undefined && /(?:^|\.)patient$/.test(path))) {
      found.push({ parameter, path, identifier })
    }
  }
  return found
}

function meansPatient(reference: string, type: string | undefined): boolean {
  const target = parseReference(reference)
  if ('type' in target) return target.type === 'Patient'
  // A URL in no form of R4 that still speaks of a patient: what it means is not for its author's spelling to decide.
  if (target.kind === 'url') return type === 'Patient' || /\/patient\//i.test(target.url)
  return target.kind === 'urn' && (type === undefined || type === 'Patient')
}

/** True if instances of the type can be in a patient's compartment at all. */
export function hasPatientCompartment(type: string): boolean {
  return type === 'Patient' || placesOf(type).length > 0
}

interface Place {
  readonly parameter: string
  readonly steps: readonly string[]
}

const places = new Map<string, readonly Place[]>()

/** Each path once, although `subject` and `patient` often name the same. */
function placesOf(type: string): readonly Place[] {
  let known = places.get(type)
  if (known === undefined) {
    const paths = new Map((patientCompartment()[type] ?? []).map(([parameter, path]) => [path, parameter]))
    // "Treat the binary as if it was this resource": the only thing that says whose a Binary is.
    if (type === 'Binary') paths.set('securityContext', 'securityContext')
    known = [...paths].map(([path, parameter]) => ({ parameter, steps: path.split('.') }))
    places.set(type, known)
  }
  return known
}

interface Found {
  readonly parameter: string
  readonly path: string
  readonly value: Reference
}

function referencesInPlaces(resource: Resource): Found[] {
  const found: Found[] = []
  for (const { parameter, steps } of placesOf(resource.resourceType)) {
    collect(resource, steps, 0, '', (value, path) => found.push({ parameter, path, value }))
  }
  return found
}

function collect(
  value: unknown,
  steps: readonly string[],
  depth: number,
  path: string,
  found: (value: object, path: string) => void,
): void {
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) collect(item, steps, depth, `${path}[${index}]`, found)
    return
  }
  const step = steps[depth]
  if (step === undefined) found(value, path)
  else
    collect((value as Record<string, unknown>)[step], steps, depth + 1, path === '' ? step : `${path}.${step}`, found)
}

import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ConsentryError } from '../../errors.js'
import type { Resource } from '../types.js'

/**
 * The tables that `npm run generate:fhir` (compile.mjs) made of the R4 definitions, read once on first use
 * (a few milliseconds, about half a megabyte). Nothing at run time reads a StructureDefinition.
 */

/** A type name, `#path` for children inside the same definition, or a Reference with its allowed targets. */
export type ElementType = string | readonly [code: 'Reference', ...targets: string[]]

/** `max` −1 is `*`; a name that ends in `[x]` is a choice; `valueSet` is the canonical of a required binding. */
export type ElementRow = readonly [
  name: string,
  min: number,
  max: number,
  types: readonly ElementType[],
  valueSet?: string | null,
  rules?: readonly number[],
]

export interface TypeRow {
  /** Absent for a path inside a type, such as `Patient.contact`. */
  readonly kind?: 'resource' | 'complex-type' | 'abstract'
  readonly elements: readonly ElementRow[]
  /** Indexes into `constraints`. */
  readonly rules?: readonly number[]
}

export type ConstraintRow = readonly [key: string, severity: 'error' | 'warning', human: string, expression: string]

export interface Structures {
  readonly fhirVersion: '4.0.1'
  /** The names of all resource types that can be instantiated, sorted. */
  readonly resources: readonly string[]
  readonly constraints: readonly ConstraintRow[]
  readonly types: Readonly<Record<string, TypeRow>>
}

/** Codes by system, or null if the set draws from a code system that the definitions do not contain. */
export type ValueSets = Readonly<Record<string, Readonly<Record<string, readonly string[]>> | null>>

/** Places in a type whose reference to a Patient makes it part of that patient's compartment. */
export type Compartment = Readonly<Record<string, readonly (readonly [parameter: string, path: string])[]>>

/** By the type of the owner and the type inside: search parameters that refer to the owner, `{def}` for the owner itself. */
export type Compartments = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>

/** Elements that a summary shows and elements that must be there, by type and by path inside it (`Patient.contact`). */
export type SummaryElements = Readonly<
  Record<string, { readonly summary: readonly string[]; readonly mandatory: readonly string[] }>
>

export const structures = table<Structures>('structures.json')
export const valueSets = table<ValueSets>('value-sets.json')
export const patientCompartment = table<Compartment>('patient-compartment.json')
export const compartments = table<Compartments>('compartments.json')
/** The extensions and profiles of R4 itself, as StructureDefinitions with differentials only. */
export const baseProfiles = table<readonly Resource[]>('profiles.json')
/** The CodeSystems and ValueSets of R4 itself. */
export const baseTerminology = table<readonly Resource[]>('terminology.json')

export const summaryElements = table<SummaryElements>('summary.json')

let names: ReadonlySet<string> | undefined

/** True for the 146 resource types of R4 that have instances. */
export function isResourceType(name: string): boolean {
  names ??= new Set(structures().resources)
  return names.has(name)
}

function table<T>(name: string): () => T {
  let loaded: T | undefined
  return () => (loaded ??= JSON.parse(readFileSync(join(generatedFolder(), name), 'utf8')) as T)
}

const generatedFolder = (): string => projectFolder('generated', 'fhir')

/** A folder at the root of the project, which lies above `src` as well as above `dist`. */
export function projectFolder(...parts: string[]): string {
  for (let at = dirname(fileURLToPath(import.meta.url)); ; at = dirname(at)) {
    const candidate = join(at, ...parts)
    if (existsSync(candidate)) return candidate
    if (at === dirname(at)) {
      throw new ConsentryError('internal', `${parts.join('/')} is missing: run \`npm run generate:fhir\`.`)
    }
  }
}

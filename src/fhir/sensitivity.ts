import { ConsentryError } from '../errors.js'
import { systemUri } from './system-names.js'
import type { Coding, Extension, Resource } from './types.js'

/** On a ValueSet: the label that a record gets which has one of its codes. */
export const IMPLIED_LABEL = 'https://consentry.health/fhir/StructureDefinition/implied-label'
/** On a Coding of `meta.security`: the ValueSet by which it was given. */
export const LABEL_BASIS = 'https://consentry.health/fhir/StructureDefinition/label-basis'
const ACT_CODE = 'http://terminology.hl7.org/CodeSystem/v3-ActCode'
const MAX_PATTERN = 1_000

/** compose.include or .exclude of such a ValueSet. */
interface Part {
  readonly system?: string
  readonly concept?: readonly { readonly code: string }[]
  readonly filter?: readonly { readonly property: string; readonly op: string; readonly value: string }[]
}

interface Rule {
  readonly label: string
  /** Canonical, with its version if it has one. */
  readonly basis: string
  readonly includes: readonly Codes[]
  readonly excludes: readonly Codes[]
}

interface Codes {
  readonly system: string
  has(code: string): boolean
}

/**
 * The part of a security labelling service that looks at codes: a record that has a code of a sensitivity value set, wherever in it, gets
 * that set's label in `meta.security` (https://hl7.org/fhir/R4/security-labels.html), marked with the set. Labels that somebody gave stay;
 * those that were given by a set are given anew at every write, so they follow the sets. A code system is the same under its URI and its OID.
 *
 * A set lists codes, or names them by a pattern (`filter` of `code` by `regex`, the whole code): no code system has to be loaded for it.
 */
export class Sensitivity {
  readonly #bySystem: ReadonlyMap<string, readonly Rule[]>
  readonly labels: ReadonlySet<string>

  /**
   * @param definitions of which ValueSets with `implied-label` are taken; of two with one url the later
   * @throws ConsentryError `invalid` for a set that says what is not looked at here
   */
  constructor(definitions: readonly Resource[]) {
    const sets = new Map<unknown, Rule>()
    for (const definition of definitions) {
      const label = definition.resourceType === 'ValueSet' ? impliedLabel(definition) : undefined
      if (label !== undefined) sets.set(definition['url'], ruleOf(definition, label))
    }
    const rules = [...sets.values()]
    this.labels = new Set(rules.map(({ label }) => label))
    const systems = new Set(rules.flatMap(({ includes }) => includes.map(({ system }) => system)))
    this.#bySystem = new Map(
      Array.from(systems, (system) => [
        system,
        rules.filter(({ includes }) => includes.some((c) => c.system === system)),
      ]),
    )
  }

  /** The resource itself where nothing is to be changed. */
  labelled<R extends Resource>(resource: R): R {
    const before = Array.isArray(resource.meta?.security) ? resource.meta.security : []
    const given = before.filter((coding) => !isDerivedLabel(coding))
    const derived = [...this.#basesOf(resource)]
      .filter(([label]) => !given.some(({ system, code }) => system === ACT_CODE && code === label))
      .map(([label, basis]): Coding => {
        const extension: Extension[] = [{ url: LABEL_BASIS, valueCanonical: basis }]
        return { extension, system: ACT_CODE, code: label }
      })
    if (derived.length === 0 && given.length === before.length) return resource
    const { security: _, ...others } = resource.meta ?? {}
    const security = [...given, ...derived]
    return { ...resource, meta: { ...others, ...(security.length === 0 ? {} : { security }) } }
  }

  /** By label, in the order of their codes: the set that gives it. */
  #basesOf(resource: Resource): Map<string, string> {
    const bases = new Map<string, string>()
    if (this.#bySystem.size > 0) {
      const { meta: _, ...content } = resource
      this.#collect(content, bases)
    }
    return new Map([...bases].toSorted(([a], [b]) => (a < b ? -1 : 1)))
  }

  #collect(node: unknown, bases: Map<string, string>): void {
    if (typeof node !== 'object' || node === null) return
    const { system: name, code } = node as { system?: unknown; code?: unknown }
    if (typeof name === 'string' && typeof code === 'string') {
      const system = systemUri(name)
      for (const { label, basis, includes, excludes } of this.#bySystem.get(system) ?? []) {
        const named = (codes: readonly Codes[]): boolean => codes.some((c) => c.system === system && c.has(code))
        if (!bases.has(label) && named(includes) && !named(excludes)) bases.set(label, basis)
      }
    }
    for (const child of Object.values(node)) this.#collect(child, bases)
  }
}

/** It was given by a set, and follows it. */
export function isDerivedLabel(coding: unknown): boolean {
  const { extension } = (coding ?? {}) as { extension?: unknown }
  return Array.isArray(extension) && extension.some((each) => (each as Extension | null)?.url === LABEL_BASIS)
}

function impliedLabel({ extension }: Resource): string | undefined {
  if (!Array.isArray(extension)) return undefined
  const found = (extension as Extension[]).find(({ url }) => url === IMPLIED_LABEL)
  return found?.valueCode
}

function ruleOf(valueSet: Resource, label: string): Rule {
  const { url, version, compose } = valueSet as { url?: unknown; version?: unknown; compose?: unknown }
  const { include = [], exclude = [] } = (compose ?? {}) as { include?: readonly Part[]; exclude?: readonly Part[] }
  const name = typeof url === 'string' ? url : String(valueSet.id)
  return {
    label,
    basis: typeof version === 'string' ? `${name}|${version}` : name,
    includes: include.map((part, i) => codesOf(part, `${name}: ValueSet.compose.include[${i}]`)),
    excludes: exclude.map((part, i) => codesOf(part, `${name}: ValueSet.compose.exclude[${i}]`)),
  }
}

function codesOf({ system: name, concept, filter, ...others }: Part, at: string): Codes {
  const system = name === undefined ? undefined : systemUri(name)
  const wrong = (): ConsentryError =>
    new ConsentryError(
      'invalid',
      `${at}: a set that implies a label names a system, and its codes as concept or by one filter of code by regex.`,
    )
  if (system === undefined || 'valueSet' in others || (concept === undefined) === (filter === undefined)) throw wrong()
  if (concept !== undefined) {
    const codes = new Set(concept.map(({ code }) => code))
    return { system, has: (code) => codes.has(code) }
  }
  const [only, second] = filter ?? []
  if (only === undefined || second !== undefined || only.property !== 'code' || only.op !== 'regex') throw wrong()
  if (only.value.length > MAX_PATTERN) throw wrong()
  try {
    const pattern = new RegExp(`^(?:${only.value})$`, 'u')
    return { system, has: (code) => pattern.test(code) }
  } catch {
    throw wrong()
  }
}

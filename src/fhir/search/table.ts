import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isResourceType, projectFolder, structures } from '../definitions/structures.js'
import type { FilterKind } from '../../clauses/clause.js'
import { FULL_TEXT_PARAMETERS, type FullText } from './full-text.js'
import { soundingPaths } from './phonetic.js'

/**
 * The search parameters of R4 as compiled by definitions/compile-search.mjs. A path is
 * `a.b[system=phone].c[0]` in JSON property names, the data type found there, and the implied system of a
 * code or the type that a reference must resolve to.
 */
export type SearchPath = readonly [places: string, type: string, extra?: string]

export interface SearchParameter {
  readonly code: string
  readonly kind: FilterKind
  /** Canonical URL of the definition. */
  readonly url: string
  readonly paths: readonly SearchPath[]
  /** References: the types that can be pointed to; empty for other kinds. */
  readonly targets: readonly string[]
  /** Composites: the codes of the parts, in order; empty for other kinds. */
  readonly components: readonly string[]
  /** Composites: the kinds of the parts, and where they are found together; empty for other kinds. */
  readonly kinds: readonly FilterKind[]
  readonly groups: readonly CompositeGroup[]
  /** Of a package that was loaded at start. */
  readonly loaded?: true
  /** Records that were there before it are still being indexed by it: until then it would find some of them only. */
  readonly pending?: true
}

/** By type and code. */
export type LoadedParameters = ReadonlyMap<string, ReadonlyMap<string, SearchParameter>>

/** An element (`''`: the resource itself) in which all parts of a composite must hold, with the paths of each part. */
export interface CompositeGroup {
  readonly places: string
  readonly parts: readonly (readonly { readonly path: SearchPath; readonly atRoot: boolean }[])[]
}

interface Compiled {
  kind: FilterKind
  id: string
  paths: SearchPath[]
  targets?: string[]
  components?: string[]
  kinds?: FilterKind[]
  groups?: CompositeGroup[]
}

interface CompiledTable {
  fhirVersion: string
  types: Record<string, Record<string, Compiled>>
}

let loaded: CompiledTable | undefined

function table(): CompiledTable {
  const file = (): string => join(projectFolder('generated', 'fhir'), 'search.json')
  return (loaded ??= JSON.parse(readFileSync(file(), 'utf8')) as CompiledTable)
}

/** The 146 types of R4 that have instances. */
export function resourceTypes(): readonly string[] {
  return structures().resources
}

/** Of R4's own, those by which records of a site may not be indexed yet: words, and sounds, which were added later. */
const BY_WORDS: ReadonlySet<string> = new Set([...FULL_TEXT_PARAMETERS, 'phonetic'])

/** These derive from Resource directly, so the parameters of DomainResource are not theirs. */
const NOT_DOMAIN: ReadonlySet<string> = new Set(['Binary', 'Bundle', 'Parameters'])

const byType = new Map<string, ReadonlyMap<string, SearchParameter>>()
let ofPackages: LoadedParameters = new Map()
let revision = 0
let fullText: FullText = 'none'
let fullTextPending = false

/**
 * Adds the parameters of packages to those of R4, in place of what was added before; called at start, and again when records from before are indexed
 * by them.
 */
export function useParameters(parameters: LoadedParameters, { pending }: { readonly pending: boolean }): void {
  ofPackages = pending
    ? new Map(
        Array.from(parameters, ([type, byCode]) => [
          type,
          new Map(Array.from(byCode, ([code, parameter]) => [code, { ...parameter, pending: true as const }])),
        ]),
      )
    : parameters
  byType.clear()
  revision++
}

/** Whether words of narratives, or of whole resources, are indexed and searched; called at start, and again when records from before are indexed so. */
export function useFullText(wanted: FullText, { pending }: { readonly pending: boolean }): void {
  fullText = wanted
  fullTextPending = pending
  byType.clear()
  revision++
}

/** Where R4 leaves it to the server what a parameter finds. AuditEvents, of which every request writes one, are indexed by no words. */
function ownPaths(type: string, code: string): readonly SearchPath[] {
  if (type === 'Location' && code === 'near') return [['position', 'position']]
  if (fullText === 'none' || type === 'AuditEvent') return []
  if (code === '_text') return [['text.div', 'narrative']]
  return code === '_content' && fullText === 'content' ? [['', 'content']] : []
}

/** Another number when other parameters are served. */
export const parametersRevision = (): number => revision

/** R4's own parameter of a type. */
export function definedByR4(type: string, code: string): SearchParameter | undefined {
  return build(type).get(code)
}

/** Every parameter of a type, by code, those for all types first and those of packages last; empty for an unknown type. */
export function searchParametersOf(type: string): ReadonlyMap<string, SearchParameter> {
  let parameters = byType.get(type)
  if (parameters === undefined) {
    parameters = isResourceType(type)
      ? new Map([...build(type), ...(ofPackages.get(type) ?? [])])
      : new Map<string, SearchParameter>()
    byType.set(type, parameters)
  }
  return parameters
}

function build(type: string): Map<string, SearchParameter> {
  const { types } = table()
  const bases = NOT_DOMAIN.has(type) ? ['Resource', type] : ['Resource', 'DomainResource', type]
  const parameters = new Map<string, SearchParameter>()
  for (const base of bases) {
    for (const [code, { kind, id, paths, targets, components, kinds, groups }] of Object.entries(types[base] ?? {})) {
      parameters.set(code, {
        code,
        kind,
        url: `http://hl7.org/fhir/SearchParameter/${id}`,
        paths: code === 'phonetic' ? soundingPaths(paths) : paths.length > 0 ? paths : ownPaths(type, code),
        ...(fullTextPending && BY_WORDS.has(code) ? { pending: true as const } : {}),
        targets: targets?.[0] === '*' ? resourceTypes() : (targets ?? []),
        components: components ?? [],
        kinds: kinds ?? [],
        groups: groups ?? [],
      })
    }
  }
  return parameters
}

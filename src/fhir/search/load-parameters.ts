import { isResourceType } from '../definitions/structures.js'
import type { Resource } from '../types.js'
import { AT_RESOURCE, groupsOf, pathsOf } from './definition-paths.js'
import { parseExpression } from './expression.js'
import { FOR_THE_EDGE, RESULT_PARAMETERS } from './parse-result.js'
import type { FilterKind } from '../../clauses/clause.js'
import { structureElements } from './structure-elements.js'
import { definedByR4, type LoadedParameters, resourceTypes, type SearchParameter } from './table.js'

/** A definition that cannot be served, and why. */
export interface RefusedDefinition {
  readonly url: string
  readonly reason: string
}

const KINDS: readonly FilterKind[] = ['token', 'string', 'uri', 'reference', 'date', 'number', 'quantity', 'composite']
const NAME = /^[A-Za-z_][\w-]{0,63}$/

/**
 * The SearchParameters of packages, https://hl7.org/fhir/R4/searchparameter.html, compiled as those of R4 are. Where R4 defines the same code for the same
 * type, R4's stands: packages repeat most of it to say what they expect. Of two definitions of one code the later stands.
 */
export function compileParameters(definitions: readonly Resource[]): {
  readonly loaded: LoadedParameters
  readonly refused: RefusedDefinition[]
} {
  const parameters = definitions.filter(({ resourceType }) => resourceType === 'SearchParameter')
  const byUrl = new Map(parameters.map((each) => [String(each['url']), each]))
  const loaded = new Map<string, Map<string, SearchParameter>>()
  const refused: RefusedDefinition[] = []
  for (const definition of parameters) {
    const code = String(definition['code'])
    for (const base of basesOf(definition)) {
      if (definedByR4(base, code) !== undefined) continue
      try {
        const parameter = compile(definition, base, byUrl)
        loaded.set(base, (loaded.get(base) ?? new Map<string, SearchParameter>()).set(code, parameter))
      } catch (error) {
        refused.push({ url: String(definition['url']), reason: error instanceof Error ? error.message : String(error) })
      }
    }
  }
  return { loaded, refused }
}

/** Types that the parameter is for; one for all types is for each. */
function basesOf({ base }: Resource): string[] {
  const names = Array.isArray(base) ? base.filter((name) => typeof name === 'string') : []
  return names.flatMap((name) => {
    if (name === 'Resource' || name === 'DomainResource') return [...resourceTypes()]
    return isResourceType(name) ? [name] : []
  })
}

function compile(definition: Resource, base: string, byUrl: ReadonlyMap<string, Resource>): SearchParameter {
  const { code, type, url, expression, status } = definition
  const kind = KINDS.find((each) => each === type)
  if (typeof code !== 'string' || !NAME.test(code) || reserved(code))
    throw new Error('its code cannot be the name of a parameter')
  if (status === 'retired') throw new Error('it is retired')
  if (kind === undefined) throw new Error(`parameters of type ${String(type)} are not served`)
  if (typeof expression !== 'string') throw new Error('it has no expression')
  const terms = parseExpression(expression.replace(/^\s*(?:Resource|DomainResource)\./, `${base}.`))
  const made = { code, kind, url: String(url), targets: [] as readonly string[], loaded: true as const }
  if (kind === 'composite') {
    const components = componentsOf(definition, base, byUrl)
    const groups = terms.flatMap((steps) => groupsOf(base, steps, components, structureElements))
    if (groups.length === 0) throw new Error(`the expression leads nowhere in ${base}`)
    return {
      ...made,
      paths: [],
      components: components.map((each) => each.code),
      kinds: components.map((each) => each.kind),
      groups,
    }
  }
  const paths = terms.flatMap((steps) => pathsOf(base, steps, kind, structureElements))
  if (paths.length === 0) throw new Error(`the expression leads nowhere in ${base}`)
  const targets = kind === 'reference' ? targetsOf(definition, paths) : []
  return { ...made, targets, paths, components: [], kinds: [], groups: [] }
}

const reserved = (code: string): boolean =>
  Object.hasOwn(RESULT_PARAMETERS, code) ||
  FOR_THE_EDGE.has(code) ||
  /^_(?:filter|list|has|type|text|content|query)$/.test(code)

/** As for R4's own: what the paths ask for, else what the definition says, else any. */
function targetsOf({ target }: Resource, paths: SearchParameter['paths']): readonly string[] {
  const resolved = paths
    .map(([, of, extra]) => (of === 'Reference' ? extra : undefined))
    .filter((of) => of !== undefined)
  if (resolved.length === paths.length) return [...new Set(resolved)].sort()
  const named = Array.isArray(target) ? target.filter((name) => typeof name === 'string').filter(isResourceType) : []
  return named.length === 0 ? resourceTypes() : [...named].sort()
}

function componentsOf(definition: Resource, base: string, byUrl: ReadonlyMap<string, Resource>) {
  const components = Array.isArray(definition['component'])
    ? (definition['component'] as Record<string, unknown>[])
    : []
  return components.map(({ definition: url, expression }) => {
    const known =
      byUrl.get(String(url)) ??
      definedByR4(
        base,
        String(url)
          .split('/')
          .at(-1)
          ?.replace(/^[A-Za-z]+-/, '') ?? '',
      )
    const code = known && ('code' in known ? String(known['code']) : undefined)
    const of = known && ('kind' in known ? known.kind : known['type'])
    const kind = KINDS.find((each) => each === of)
    if (code === undefined || kind === undefined) throw new Error(`its component ${String(url)} is not known`)
    return { code, kind, steps: parseExpression(String(expression).replaceAll('%resource.', `${AT_RESOURCE}.`)) }
  })
}

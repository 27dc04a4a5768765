import type { ElementReader, Finding } from './search/finding.js'
import type { DateIndexValue, IndexValue } from './search/index-value.js'
import { groupValue } from './search/grouping.js'
import { isIndexed } from './search/indexed.js'
import { type CompiledPath, compilePath } from './search/path.js'
import { READERS } from './search/readers.js'
import { sortForm } from './search/sort-form.js'
import { type SearchParameter, searchParametersOf } from './search/table.js'
import { compositeReaders } from './search/composite.js'
import type { ValidResource } from './types.js'

export type * from './search/index-value.js'
export { DATE_MAX, DATE_MIN } from './search/date-range.js'
export { isIndexed } from './search/indexed.js'
export { indexForms } from './search/index-forms.js'
export type { FullText } from './search/full-text.js'
export { sortForm } from './search/sort-form.js'
export { compileParameters, type RefusedDefinition } from './search/load-parameters.js'
export {
  type LoadedParameters,
  parametersRevision,
  resourceTypes,
  type SearchParameter,
  searchParametersOf,
  useFullText,
  useParameters,
} from './search/table.js'

interface Extractor {
  readonly found: Omit<Finding, 'base' | 'out'>
  readonly visit: CompiledPath['visit']
  readonly read: ElementReader
}

/** By the parameters of a type: extractors by the property of the resource that they start with, so absent properties cost nothing. */
const compiled = new WeakMap<ReadonlyMap<string, SearchParameter>, ReadonlyMap<string, readonly Extractor[]>>()

/**
 * Every value that the search parameters of R4 find in a resource, parameter by parameter, repeats included, and what groups it with others.
 * `base` is the FHIR base of this server without a slash at its end: absolute references below it count as its own.
 *
 * `_text` and `_content` find something only where the site has it so (`useFullText`); `_query` finds
 * nothing; `_id` and `_lastUpdated` are columns of a record.
 */
export function indexValues(resource: ValidResource, base?: string): IndexValue[] {
  const out: IndexValue[] = []
  const extractors = extractorsOf(resource.resourceType)
  for (const property in resource) {
    for (const { found, visit, read } of extractors.get(property) ?? []) {
      const finding: Finding = { ...found, base, out }
      visit(resource, (element) => read(element, finding))
    }
  }
  for (const { found, read } of extractors.get(ALWAYS) ?? []) read(resource, { ...found, base, out })
  const group = groupValue(resource)
  if (group !== undefined) out.push(group)
  return out
}

/** What these search parameters of dates find: the values of `indexValues` of their names and kind. */
export function datesOf(resource: ValidResource, params: readonly string[]): DateIndexValue[] {
  const out: IndexValue[] = []
  const extractors = extractorsOf(resource.resourceType)
  for (const property in resource) {
    for (const { found, visit, read } of extractors.get(property) ?? []) {
      if (!params.includes(found.param)) continue
      const finding: Finding = { ...found, base: undefined, out }
      visit(resource, (element) => read(element, finding))
    }
  }
  return out.filter((value) => value.kind === 'date')
}

/** Key of the extractors that look at the whole resource. */
const ALWAYS = ''

function extractorsOf(type: string): ReadonlyMap<string, readonly Extractor[]> {
  const parameters = searchParametersOf(type)
  let byProperty = compiled.get(parameters)
  if (byProperty === undefined) {
    byProperty = compile(type)
    compiled.set(parameters, byProperty)
  }
  return byProperty
}

function compile(type: string): Map<string, Extractor[]> {
  const byProperty = new Map<string, Extractor[]>()
  for (const parameter of searchParametersOf(type).values()) {
    const { code: param, kind, paths, targets } = parameter
    for (const { first, visit, read } of compositeReaders(parameter, type)) {
      const extractor = { found: { param, extra: undefined, targets, sort: undefined }, visit, read }
      byProperty.set(first, [...(byProperty.get(first) ?? []), extractor])
    }
    const readers = isIndexed(parameter) ? READERS[kind] : undefined
    if (readers === undefined) continue
    const sort = sortForm(parameter)
    for (const [places, dataType, extra] of paths) {
      const whole = dataType === 'presence' || dataType === 'content'
      const path = whole ? undefined : compilePath(places)
      const read = dataType === 'presence' ? presence(places.split('|')) : readers[dataType]
      if (read === undefined) continue
      const first = path?.first ?? ALWAYS
      const extractor = { found: { param, extra, targets, sort }, visit: path?.visit ?? (() => undefined), read }
      byProperty.set(first, [...(byProperty.get(first) ?? []), extractor])
    }
  }
  return byProperty
}

/** `x.exists() and x != false`, the one expression of R4 that computes: true or false for every resource. */
function presence(properties: readonly string[]): ElementReader {
  return (resource, { param, out }) => {
    const values = properties.map((property) => (resource as Record<string, unknown>)[property])
    const present = values.some((value) => value !== undefined && value !== false)
    out.push({ param, kind: 'token', code: String(present) })
  }
}

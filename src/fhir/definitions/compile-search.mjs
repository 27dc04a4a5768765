import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Elements } from './search/elements.mjs'
import { parseExpression } from './search/expression.mjs'

/**
 * Compiles the 1,375 SearchParameters of R4 into `generated/fhir/search.json`, which src/fhir/search/table.ts
 * reads and types. Run by `npm run generate:fhir`, or alone: `node src/fhir/definitions/compile-search.mjs`.
 *
 * Per type and parameter: kind, id of the definition, target types, components of a composite, and paths.
 * A path is `[places, type]` or `[places, type, extra]`; `places` is `a.b[system=phone].c[0]` in JSON property
 * names (choices are resolved: `effectiveDateTime`), `extra` the implied system of a code or the type that a
 * reference must resolve to. The type `presence` is true if one of the places, parted by `|`, holds something
 * other than false. A composite has `groups` in place of paths: the place of the element in which all parts must hold
 * (`''` for the resource itself), and the paths of each part inside it; those of a part that begins with
 * `%resource` start at the resource and are marked so.
 */
export function compileSearch(folder, elements = new Elements(folder)) {
  const definitions = readSearchParameters(folder)
  const byUrl = new Map(definitions.map((definition) => [definition.url, definition]))
  const types = {}
  for (const definition of definitions) {
    const terms = definition.expression === undefined ? [] : parseExpression(definition.expression)
    for (const base of definition.base) {
      const compiled = { kind: definition.type, id: definition.id, paths: [] }
      if (definition.type === 'composite') {
        const parts = definition.component.map((component) => byUrl.get(component.definition))
        compiled.components = parts.map(({ code }) => code)
        compiled.kinds = parts.map(({ type }) => type)
        compiled.groups = terms.flatMap((steps) => groupsOf(base, steps, definition, compiled.kinds, elements))
      } else if (definition.type !== 'special') {
        compiled.paths = terms.flatMap((steps) => pathsOf(base, steps, definition, elements))
      }
      if (definition.target !== undefined) compiled.targets = targetsOf(definition, compiled.paths)
      ;(types[base] ??= {})[definition.code] = compiled
    }
  }
  return {
    fhirVersion: '4.0.1',
    types: sorted(Object.entries(types).map(([type, byCode]) => [type, sorted(Object.entries(byCode))])),
  }
}

/**
 * The types that a reference parameter can point to: those that its paths ask for (`where(resolve() is Patient)`),
 * else those of the definition; `*` for those that list every type there is (all but Parameters).
 */
function targetsOf(definition, paths) {
  const resolved = paths.map(([, type, extra]) => (type === 'Reference' ? extra : undefined))
  if (resolved.length > 0 && resolved.every((type) => type !== undefined)) return [...new Set(resolved)].sort()
  const targets = [...definition.target].sort()
  return targets.length > 100 ? ['*'] : targets
}

/** The data types that a parameter of each kind reads, https://hl7.org/fhir/R4/search.html#table. */
const READABLE = {
  token: ['boolean', 'code', 'id', 'uri', 'string', 'Coding', 'CodeableConcept', 'ContactPoint', 'Identifier'],
  string: ['string', 'markdown', 'familyName', 'HumanName', 'Address'],
  uri: ['uri', 'url', 'canonical', 'oid', 'uuid'],
  reference: ['Reference', 'canonical', 'uri', 'Resource'],
  date: ['date', 'dateTime', 'instant', 'Period', 'Timing'],
  number: ['integer', 'positiveInt', 'unsignedInt', 'decimal'],
  quantity: ['Quantity', 'Age', 'Duration', 'Money', 'Range', 'SampledData'],
}

/** @returns {[string, string, string?][]} the paths of one member of the union inside `base` */
function pathsOf(base, steps, definition, elements) {
  // `Observation.value` starts at its type; InsurancePlan's `name | alias` start inside it
  const typed = /^[A-Z]/.test(steps[0].name)
  if (typed && steps[0].name !== base) return []
  let found = [{ places: '', type: base, place: { type: base, path: base } }]
  for (const step of typed ? steps.slice(1) : steps) found = found.flatMap((from) => advance(from, step, elements))
  if ('presentAndNotFalse' in steps.at(-1)) return [[found.map((at) => at.places).join('|'), 'presence']]
  if (found.length === 0) throw new Error(`${definition.id}: "${definition.expression}" leads nowhere in ${base}`)
  const readable = found.filter(({ type }) => READABLE[definition.type].includes(type))
  if (readable.length === 0)
    throw new Error(`${definition.id}: cannot read ${found.map((at) => at.type)} as ${definition.type}`)
  return readable.map(({ places, type, extra }) => (extra === undefined ? [places, type] : [places, type, extra]))
}

/** Where a composite's parts are found together, and the paths of each part from there. */
function groupsOf(base, steps, definition, kinds, elements) {
  if (steps[0].name !== base) return []
  const root = { places: '', type: base, place: { type: base, path: base } }
  let found = [root]
  for (const step of steps.slice(1)) found = found.flatMap((from) => advance(from, step, elements))
  const expressions = definition.component.map(({ expression }) => expression)
  return found.map(({ places, type, place }) => {
    const inside = { places: '', type, place }
    const read = (kind, expression) => partPaths(kind, expression, inside, root, elements)
    let parts = kinds.map((kind, i) => read(kind, expressions[i]))
    // R4 gives DocumentReference.relationship its two expressions in the wrong order
    if (parts.some((part) => part.length === 0)) parts = kinds.map((kind, i) => read(kind, expressions.at(-1 - i)))
    if (parts.some((part) => part.length === 0)) throw new Error(`${definition.id}: a part leads nowhere in ${base}`)
    return { places, parts }
  })
}

function partPaths(kind, expression, inside, root, elements) {
  return parseExpression(expression.replaceAll('%resource.', 'RESOURCE.')).flatMap((steps) => {
    const atRoot = steps[0].name === 'RESOURCE'
    let found = [atRoot ? root : inside]
    for (const step of atRoot ? steps.slice(1) : steps) found = found.flatMap((from) => advance(from, step, elements))
    return found
      .filter(({ type }) => READABLE[kind].includes(type))
      .map(({ places, type, extra }) => ({
        path: extra === undefined ? [places, type] : [places, type, extra],
        atRoot,
      }))
  })
}

function advance(from, step, elements) {
  if ('index' in step) return [{ ...from, places: `${from.places}[${step.index}]` }]
  if ('where' in step) return [{ ...from, places: `${from.places}[${step.where[0]}=${step.where[1]}]` }]
  if ('resolvesTo' in step) return [{ ...from, extra: step.resolvesTo }]
  if ('presentAndNotFalse' in step) return [from]
  if ('as' in step) return from.type.toLowerCase() === step.as.toLowerCase() ? [from] : []
  return elements.children(from.place, step.name).map((child) => {
    const system = child.type === 'code' && child.valueSet ? elements.impliedSystem(child.valueSet) : undefined
    return {
      places: from.places === '' ? child.property : `${from.places}.${child.property}`,
      type: from.type === 'HumanName' && child.property === 'family' ? 'familyName' : child.type,
      place: child.place,
      ...(system === undefined ? {} : { extra: system }),
    }
  })
}

/** Parameters of extensions and the package's samples are no part of the base specification. */
const NOT_BASE = /-extensions-|-genetic-|^SearchParameter-(example|filter)/

function readSearchParameters(folder) {
  return readdirSync(folder)
    .filter((name) => name.startsWith('SearchParameter-') && !NOT_BASE.test(name))
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')))
}

const sorted = (entries) => Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..')

/** Writes the table; the folder of the package and of the output can be given for tests. */
export function writeSearch(
  folder = join(root, 'node_modules', 'hl7.fhir.r4.examples'),
  out = join(root, 'generated', 'fhir'),
) {
  mkdirSync(out, { recursive: true })
  writeFileSync(join(out, 'search.json'), JSON.stringify(compileSearch(folder)))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeSearch()

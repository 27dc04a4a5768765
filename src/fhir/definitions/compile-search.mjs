import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Elements } from './search/elements.mjs'
import { groupsOf, pathsOf } from '../search/definition-paths.ts'
import { parseExpression } from '../search/expression.ts'

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
        const within = definition.component.map(({ expression }, i) => ({
          kind: compiled.kinds[i],
          steps: parseExpression(expression.replaceAll('%resource.', 'RESOURCE.')),
        }))
        compiled.groups = terms.flatMap((steps) => groupsOf(base, steps, within, elements))
      } else if (definition.type !== 'special') {
        compiled.paths = terms.flatMap((steps) => pathsOf(base, steps, definition.type, elements))
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

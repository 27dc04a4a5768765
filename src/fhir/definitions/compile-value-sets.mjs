import { sorted } from './source.mjs'

/**
 * Expands the value sets of required bindings into `{ url: { system: [codes] } }`. Those that draw from a code
 * system outside the package (media types, currencies, UCUM, LOINC answers) map to null: bindings.ts knows the
 * syntax of some and lets the others pass.
 *
 * @param {import('./source.mjs').Source} source
 * @param {ReturnType<import('./compile-structures.mjs').compileStructures>} structures
 */
export function compileValueSets(source, structures) {
  const elements = Object.values(structures.types).flatMap((type) => type.elements)
  const urls = new Set(elements.map((element) => element[4]).filter((url) => typeof url === 'string'))
  const valueSets = new Map(source.all('ValueSet').map((valueSet) => [valueSet.url, valueSet]))
  const codeSystems = new Map(source.all('CodeSystem').map((codeSystem) => [codeSystem.url, codeSystem]))
  return sorted([...urls].map((url) => [url, expand(valueSets.get(url), codeSystems)]))
}

function expand(valueSet, codeSystems) {
  if (valueSet?.compose === undefined || valueSet.compose.exclude !== undefined) return null
  const systems = {}
  for (const include of valueSet.compose.include) {
    const codes = include.concept?.map((concept) => concept.code) ?? allCodes(codeSystems.get(include.system))
    if (include.filter !== undefined || include.valueSet !== undefined || codes === undefined) return null
    systems[include.system] = [...new Set([...(systems[include.system] ?? []), ...codes])]
  }
  return systems
}

function allCodes(codeSystem) {
  if (codeSystem?.content !== 'complete') return undefined
  const codes = (concepts = []) => concepts.flatMap((concept) => [concept.code, ...codes(concept.concept)])
  return codes(codeSystem.concept)
}

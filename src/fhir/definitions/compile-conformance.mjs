/**
 * What profiles and bindings of R4 itself need beyond its structures: the 500 extensions and profiles of the package as
 * differentials, and its code systems and value sets, each reduced to the elements that are read at run time.
 */

const ELEMENT = [
  'id',
  'path',
  'sliceName',
  'slicing',
  'min',
  'max',
  'type',
  'maxLength',
  'isModifier',
  'contentReference',
]

/** @param {import('./source.mjs').Source} source */
export function compileProfiles(source) {
  return source
    .all('StructureDefinition')
    .filter(({ derivation, kind }) => derivation === 'constraint' && kind !== 'logical')
    .map((definition) => ({
      ...only(definition, ['resourceType', 'url', 'version', 'type', 'baseDefinition', 'context', 'contextInvariant']),
      differential: { element: (definition.differential?.element ?? []).map(compileElement) },
    }))
    .sort(byUrl)
}

function compileElement(element) {
  const compiled = only(element, ELEMENT)
  for (const [key, value] of Object.entries(element)) {
    if (/^(?:fixed|pattern|minValue|maxValue)[A-Z]/.test(key)) compiled[key] = value
  }
  if (element.binding !== undefined) compiled.binding = only(element.binding, ['strength', 'valueSet'])
  if (element.constraint !== undefined) {
    compiled.constraint = element.constraint.map((rule) => only(rule, ['key', 'severity', 'human', 'expression']))
  }
  return compiled
}

/** @param {import('./source.mjs').Source} source */
export function compileTerminology(source) {
  const codeSystems = source.all('CodeSystem').map((codeSystem) => ({
    ...only(codeSystem, ['resourceType', 'url', 'version', 'name', 'content', 'caseSensitive', 'supplements']),
    ...(codeSystem.concept === undefined ? {} : { concept: codeSystem.concept.map(compileConcept) }),
  }))
  const valueSets = source.all('ValueSet').map((valueSet) => ({
    ...only(valueSet, ['resourceType', 'url', 'version', 'name', 'title', 'status']),
    ...(valueSet.compose === undefined ? {} : { compose: compileCompose(valueSet.compose) }),
  }))
  return [...codeSystems, ...valueSets].filter(({ url }) => url !== undefined).sort(byUrl)
}

function compileConcept(concept) {
  const compiled = only(concept, ['code', 'display', 'property'])
  // v3 states its inner ids and what OWL would call annotations; nothing filters by them
  compiled.property = concept.property?.filter(
    ({ code }) => !['internalId', 'openIssue', 'v2-concComment'].includes(code),
  )
  if (compiled.property === undefined || compiled.property.length === 0) delete compiled.property
  if (concept.concept !== undefined) compiled.concept = concept.concept.map(compileConcept)
  return compiled
}

function compileCompose({ inactive, include, exclude }) {
  const set = (part) => ({
    ...only(part, ['system', 'version', 'filter', 'valueSet']),
    ...(part.concept === undefined ? {} : { concept: part.concept.map((c) => only(c, ['code', 'display'])) }),
  })
  return {
    ...(inactive === undefined ? {} : { inactive }),
    include: include.map(set),
    ...(exclude === undefined ? {} : { exclude: exclude.map(set) }),
  }
}

const only = (object, keys) => Object.fromEntries(keys.flatMap((key) => (key in object ? [[key, object[key]]] : [])))
const byUrl = (a, b) => (a.url < b.url ? -1 : 1)

import { sorted } from './source.mjs'

/**
 * Compiles the StructureDefinitions of the R4 resources and data types into the table that structures.ts types.
 *
 * Per type, and per path inside a type that has children of its own (`Patient.contact`): its elements as
 * `[name, min, max, types, valueSet, constraints]` (the last two only where present; max −1 is `*`) and the
 * indexes of its constraints. A type is a name, `#path` for children inside this definition, or
 * `[name, …targets]` where targets are bound. Names of choices end in `[x]`.
 *
 * Left out, because the validator knows them natively: constraints that an element only repeats from its type
 * (ele-1, ext-1 and so on are written at every element of a snapshot).
 *
 * @param {import('./source.mjs').Source} source
 */
export function compileStructures(source) {
  const definitions = source.all('StructureDefinition')
  const types = definitions.filter(
    (d) => d.derivation !== 'constraint' && (d.kind === 'resource' || d.kind === 'complex-type'),
  )
  const quantity = definitions.find((d) => d.id === 'SimpleQuantity')
  const ownKeys = new Map(
    types.map((d) => [d.type, new Set((d.snapshot.element[0].constraint ?? []).map((c) => c.key))]),
  )
  const constraints = new ConstraintTable()
  const table = {}
  for (const definition of types) compileType(definition, table, constraints, ownKeys)
  table.SimpleQuantity = {
    ...table.Quantity,
    rules: [...(table.Quantity.rules ?? []), ...constraints.add(only(quantity.snapshot.element[0], ['sqty-1']))],
  }
  return {
    fhirVersion: '4.0.1',
    resources: types
      .filter((d) => d.kind === 'resource' && !d.abstract)
      .map((d) => d.type)
      .sort(),
    constraints: constraints.rows,
    types: sorted(Object.entries(table)),
  }
}

function compileType(definition, table, constraints, ownKeys) {
  const [root, ...elements] = definition.snapshot.element
  const parents = new Set(elements.map((element) => parentOf(element.path)))
  for (const path of parents) {
    const own = path === root.path ? root : elements.find((element) => element.path === path)
    const rules = constraints.add(withoutInherited(own, path === root.path ? [] : (own.type ?? []), ownKeys))
    table[path] = {
      ...(path === root.path ? { kind: definition.abstract ? 'abstract' : definition.kind } : {}),
      elements: elements
        .filter((element) => parentOf(element.path) === path && element.max !== '0')
        .map((element) => compileElement(element, parents, constraints, ownKeys)),
      ...(rules.length === 0 ? {} : { rules }),
    }
  }
}

function compileElement(element, parents, constraints, ownKeys) {
  const compiled = [
    element.path.slice(element.path.lastIndexOf('.') + 1),
    element.min,
    element.max === '*' ? -1 : Number(element.max),
    typesOf(element, parents),
  ]
  const required = element.binding?.strength === 'required' ? element.binding.valueSet?.split('|')[0] : undefined
  // what stands on an element with children goes to the entry of its path
  const rules = parents.has(element.path) ? [] : constraints.add(withoutInherited(element, element.type ?? [], ownKeys))
  if (required !== undefined || rules.length > 0) compiled.push(required ?? null)
  if (rules.length > 0) compiled.push(rules)
  return compiled
}

function typesOf(element, parents) {
  if (element.contentReference !== undefined) {
    return ['#' + element.contentReference.slice(element.contentReference.indexOf('#') + 1)]
  }
  if (parents.has(element.path)) return ['#' + element.path]
  return element.type.map((type) => {
    if (type.code.startsWith('http://hl7.org/fhirpath/')) return systemType(element)
    if (type.profile?.[0]?.endsWith('/SimpleQuantity')) return 'SimpleQuantity'
    const targets = (type.targetProfile ?? []).map((url) => url.slice(url.lastIndexOf('/') + 1))
    if (type.code !== 'Reference' || targets.length === 0 || targets.includes('Resource')) return type.code
    return [type.code, ...targets.sort()]
  })
}

/** The snapshots say `System.String` for the three attributes of XML; the text of the specification says what they are. */
function systemType(element) {
  if (element.base.path === 'Resource.id') return 'id'
  return element.base.path === 'Extension.url' ? 'extension-url' : 'element-id'
}

function withoutInherited(element, types, ownKeys) {
  const inherited = new Set(['ele-1', ...types.flatMap((type) => [...(ownKeys.get(type.code) ?? [])])])
  return (element.constraint ?? []).filter((constraint) => !inherited.has(constraint.key))
}

const only = (element, keys) => element.constraint.filter((constraint) => keys.includes(constraint.key))
const parentOf = (path) => path.slice(0, path.lastIndexOf('.'))

/** Rows `[key, severity, human, expression]`; a key alone is not unique in R4 (`inv-1`). */
class ConstraintTable {
  rows = []
  index = new Map()

  add(constraints) {
    return constraints.map(({ key, severity, human, expression }) => {
      const id = `${key} ${expression}`
      if (!this.index.has(id)) {
        this.index.set(id, this.rows.length)
        this.rows.push([key, severity, human, expression])
      }
      return this.index.get(id)
    })
  }
}

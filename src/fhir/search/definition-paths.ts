import type { Step } from './expression.js'
import type { FilterKind } from '../../clauses/clause.js'
import type { CompositeGroup, SearchPath } from './table.js'

/*
 * What a search parameter's expression comes to in JSON property names. The build reads this file too (definitions/compile-search.mjs), so it
 * imports nothing at run time.
 */

/** A type, or an element inside the definition of that type. */
export interface Place {
  readonly type: string
  readonly path: string
}

/** One JSON property: a choice has one for each of its types. */
export interface Child {
  readonly property: string
  readonly type: string
  readonly place: Place
  readonly valueSet?: string
}

/** Where elements are looked up: StructureDefinitions in the build, the compiled tables at run time. */
export interface ElementsOfTypes {
  children(place: Place, name: string): readonly Child[]
  /** The code system that a value set implies for an element of type `code`, if it is one. */
  impliedSystem(valueSet: string): string | undefined
}

interface At {
  readonly places: string
  readonly type: string
  readonly place: Place
  readonly extra?: string
}

/** The data types that a parameter of each kind reads, https://hl7.org/fhir/R4/search.html#table. */
export const READABLE: Readonly<Partial<Record<FilterKind, readonly string[]>>> = {
  token: ['boolean', 'code', 'id', 'uri', 'string', 'Coding', 'CodeableConcept', 'ContactPoint', 'Identifier'],
  string: ['string', 'markdown', 'familyName', 'HumanName', 'Address'],
  uri: ['uri', 'url', 'canonical', 'oid', 'uuid'],
  reference: ['Reference', 'canonical', 'uri', 'Resource'],
  date: ['date', 'dateTime', 'instant', 'Period', 'Timing'],
  number: ['integer', 'positiveInt', 'unsignedInt', 'decimal'],
  quantity: ['Quantity', 'Age', 'Duration', 'Money', 'Range', 'SampledData'],
}

/** The paths of one member of a union inside `base`. @throws Error if it leads nowhere there, or to nothing that the kind reads */
export function pathsOf(
  base: string,
  steps: readonly Step[],
  kind: FilterKind,
  elements: ElementsOfTypes,
): SearchPath[] {
  const [first] = steps
  // `Observation.value` starts at its type; InsurancePlan's `name | alias` start inside it
  const typed = first !== undefined && 'name' in first && /^[A-Z]/.test(first.name)
  if (typed && first.name !== base) return []
  let found: At[] = [rootOf(base)]
  for (const step of typed ? steps.slice(1) : steps) found = found.flatMap((from) => advance(from, step, elements))
  const last = steps.at(-1)
  if (last !== undefined && 'presentAndNotFalse' in last) return [[found.map((at) => at.places).join('|'), 'presence']]
  if (found.length === 0) throw new Error(`the expression leads nowhere in ${base}`)
  const readable = found.filter(({ type }) => READABLE[kind]?.includes(type))
  if (readable.length === 0) throw new Error(`a ${kind} cannot be read from ${found.map((at) => at.type).join()}`)
  return readable.map(toPath)
}

/** Where a composite's parts are found together, and the paths of each part from there. @throws Error if a part leads nowhere */
export function groupsOf(
  base: string,
  steps: readonly Step[],
  parts: readonly { readonly kind: FilterKind; readonly steps: readonly Step[][] }[],
  elements: ElementsOfTypes,
): CompositeGroup[] {
  const [first, ...rest] = steps
  if (first === undefined || !('name' in first) || first.name !== base) return []
  const root = rootOf(base)
  let found: At[] = [root]
  for (const step of rest) found = found.flatMap((from) => advance(from, step, elements))
  return found.map(({ places, type, place }) => {
    const inside: At = { places: '', type, place }
    const read = (kind: FilterKind, of: readonly Step[][] = []) =>
      of.flatMap((one) => partPaths(kind, one, inside, root, elements))
    let groups = parts.map(({ kind, steps: of }) => read(kind, of))
    // R4 gives DocumentReference.relationship its two expressions in the wrong order
    if (groups.some((group) => group.length === 0))
      groups = parts.map(({ kind }, i) => read(kind, parts.at(-1 - i)?.steps))
    if (groups.some((group) => group.length === 0)) throw new Error(`a part of the composite leads nowhere in ${base}`)
    return { places, parts: groups }
  })
}

/** The first step of an expression of a part that begins at the resource. */
export const AT_RESOURCE = 'RESOURCE'

function partPaths(kind: FilterKind, steps: readonly Step[], inside: At, root: At, elements: ElementsOfTypes) {
  const [first] = steps
  const atRoot = first !== undefined && 'name' in first && first.name === AT_RESOURCE
  let found: At[] = [atRoot ? root : inside]
  for (const step of atRoot ? steps.slice(1) : steps) found = found.flatMap((from) => advance(from, step, elements))
  return found.filter(({ type }) => READABLE[kind]?.includes(type)).map((at) => ({ path: toPath(at), atRoot }))
}

const rootOf = (base: string): At => ({ places: '', type: base, place: { type: base, path: base } })

const toPath = ({ places, type, extra }: At): SearchPath =>
  extra === undefined ? [places, type] : [places, type, extra]

function advance(from: At, step: Step, elements: ElementsOfTypes): At[] {
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

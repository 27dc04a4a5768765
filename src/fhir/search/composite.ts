import type { ElementReader, Finding } from './finding.js'
import type { IndexValue } from './index-value.js'
import { type CompiledPath, compilePath } from './path.js'
import { READERS } from './readers.js'
import { type CompositeGroup, type SearchParameter, searchParametersOf } from './table.js'

/** Key of what looks at the whole resource in place of one property. */
const WHOLE = ''

interface GroupReader {
  readonly first: string
  readonly visit: CompiledPath['visit']
  readonly read: ElementReader
}

interface Part {
  readonly atRoot: boolean
  readonly visit: CompiledPath['visit']
  readonly read: ElementReader
  readonly found: Omit<Finding, 'base' | 'out'>
}

/**
 * Readers of a composite, one for each place where its parts are found together
 * (https://hl7.org/fhir/R4/search.html#composite): "all the parts must hold in one element".
 */
export function compositeReaders(parameter: SearchParameter, type: string): GroupReader[] {
  return parameter.groups.map((group) => groupReader(parameter, group, type))
}

/**
 * The element that holds all parts is given with its resource, since a part may stand at the resource
 * (`%resource.referenceSeq.chromosome`).
 */
function groupReader(parameter: SearchParameter, { places, parts }: CompositeGroup, type: string): GroupReader {
  const readers = parts.map((paths, i) => paths.map((each) => part(parameter, i, each, type)))
  const path = places === '' ? undefined : compilePath(places)
  const inside = (element: unknown, resource: unknown, { base, param, out }: Finding): void => {
    const found = readers.map((alternatives) => {
      const values: IndexValue[] = []
      for (const { atRoot, visit, read, found: of } of alternatives) {
        visit((atRoot ? resource : element) as Readonly<Record<string, unknown>>, (value) =>
          read(value, { ...of, base, out: values }),
        )
      }
      return values
    })
    if (found.every((values) => values.length > 0)) out.push({ param, kind: 'composite', parts: found })
  }
  return {
    first: path?.first ?? WHOLE,
    visit: (resource, use) => use(resource),
    read: (resource, finding) => {
      if (path === undefined) inside(resource, resource, finding)
      else path.visit(resource as Readonly<Record<string, unknown>>, (element) => inside(element, resource, finding))
    },
  }
}

function part(
  { kinds, components }: SearchParameter,
  i: number,
  { path: [places, dataType, extra], atRoot }: CompositeGroup['parts'][number][number],
  type: string,
): Part {
  const read = READERS[kinds[i] ?? 'special']?.[dataType]
  if (read === undefined) throw new Error(`Nothing reads ${dataType} as ${kinds[i]}`)
  const param = components[i] ?? ''
  const targets = searchParametersOf(type).get(param)?.targets ?? []
  return { atRoot, visit: compilePath(places).visit, read, found: { param, extra, targets, sort: undefined } }
}

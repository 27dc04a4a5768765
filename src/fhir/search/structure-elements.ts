import { elementsOf } from '../definitions/elements.js'
import { structures, valueSets } from '../definitions/structures.js'
import type { Child, ElementsOfTypes, Place } from './definition-paths.js'

/** Elements of R4 as the compiled tables have them. */
export const structureElements: ElementsOfTypes = {
  children({ type, path }: Place, name: string): Child[] {
    const children = [...(elementsOf(path)?.values() ?? [])].filter(
      (element) => element.defined === name || element.defined === `${name}[x]` || element.name === name,
    )
    return children.map((element): Child => {
      const inside = element.type.startsWith('#')
      const of = inside ? 'BackboneElement' : (PRIMITIVE_OF[element.type] ?? element.type)
      const valueSet = valueSetOf(path, element.defined)
      return {
        property: element.name,
        type: of,
        place: inside ? { type, path: element.type.slice(1) } : { type: of, path: of },
        ...(valueSet === undefined ? {} : { valueSet }),
      }
    })
  },

  impliedSystem(valueSet: string): string | undefined {
    const systems = Object.keys(valueSets()[valueSet.split('|')[0] ?? ''] ?? {})
    return systems.length === 1 ? systems[0] : undefined
  },
}

/** The system types of FHIRPath, by which the definitions give the ids of elements and the urls of extensions. */
const PRIMITIVE_OF: Readonly<Record<string, string>> = { 'element-id': 'string', 'extension-url': 'string' }

function valueSetOf(path: string, defined: string): string | undefined {
  const row = structures().types[path]?.elements.find(([name]) => name === defined)
  return row?.[4] ?? undefined
}

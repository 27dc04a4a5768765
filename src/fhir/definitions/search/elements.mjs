import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Looks up elements of R4 types in the StructureDefinitions of the package `hl7.fhir.r4.examples` (4.0.1, CC0).
 *
 * @typedef {{ type: string, path: string }} Place a type, or an element inside the definition of that type
 * @typedef {{ property: string, type: string, place: Place, valueSet?: string }} Child one JSON property
 */
export class Elements {
  /** @param {string} folder */
  constructor(folder) {
    this.folder = folder
    this.definitions = new Map()
    this.systems = new Map()
  }

  /** The snapshot elements of a type by path, or undefined if there is no such type. */
  definition(type) {
    if (!this.definitions.has(type)) {
      const file = join(this.folder, `StructureDefinition-${type}.json`)
      const elements = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).snapshot?.element : undefined
      this.definitions.set(type, elements && new Map(elements.map((element) => [element.path, element])))
    }
    return this.definitions.get(type)
  }

  /**
   * The JSON properties behind an element name: one, or one per type of a choice such as `value[x]`.
   *
   * @param {Place} place @param {string} name @returns {Child[]}
   */
  children(place, name) {
    const elements = this.definition(place.type)
    if (elements === undefined) throw new Error(`There is no definition of ${place.type}`)
    const path = `${place.path}.${name}`
    const choice = elements.get(`${path}[x]`)
    const element = elements.get(path) ?? choice
    if (element === undefined) return []
    if (element.contentReference !== undefined) {
      const target = element.contentReference.slice(element.contentReference.indexOf('#') + 1)
      return [{ property: name, type: 'BackboneElement', place: { type: place.type, path: target } }]
    }
    return dedupe(element.type.map(typeCode)).map((type) => ({
      property: choice === undefined ? name : name + type[0].toUpperCase() + type.slice(1),
      type,
      place: type === 'BackboneElement' || type === 'Element' ? { type: place.type, path } : { type, path: type },
      ...(element.binding?.valueSet === undefined ? {} : { valueSet: element.binding.valueSet }),
    }))
  }

  /**
   * The code system that a value set implies for an element of type `code`
   * (https://hl7.org/fhir/R4/search.html#token: "the system is defined in the value set"): the only system that
   * the set draws from, or undefined if there are several or none is known.
   *
   * @param {string} canonical @returns {string | undefined}
   */
  impliedSystem(canonical) {
    const url = canonical.split('|')[0]
    if (!this.systems.has(url)) this.systems.set(url, this.onlySystem(url, new Set()))
    return this.systems.get(url)
  }

  onlySystem(url, seen) {
    if (seen.has(url)) return undefined
    seen.add(url)
    const file = join(this.folder, `ValueSet-${url.slice(url.lastIndexOf('/') + 1)}.json`)
    if (!existsSync(file)) return undefined
    const valueSet = JSON.parse(readFileSync(file, 'utf8'))
    if (valueSet.url !== url) return undefined
    const systems = (valueSet.compose?.include ?? []).flatMap((include) =>
      include.system === undefined
        ? (include.valueSet ?? []).map((nested) => this.onlySystem(nested.split('|')[0], seen))
        : [include.system],
    )
    return dedupe(systems).length === 1 ? systems[0] : undefined
  }
}

const dedupe = (values) => [...new Set(values)]

/** `http://hl7.org/fhirpath/System.String` stands for the `id` of elements and the value of primitives. */
function typeCode(type) {
  return type.code.startsWith('http://hl7.org/fhirpath/') ? 'string' : type.code
}

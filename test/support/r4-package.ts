import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseJson } from '../../src/fhir/json.js'
import type { Resource } from '../../src/fhir/types.js'

const FOLDER = new URL('../../node_modules/hl7.fhir.r4.examples/', import.meta.url).pathname
const DEFINITIONAL = /^(CodeSystem|ConceptMap|OperationDefinition|SearchParameter|StructureDefinition|ValueSet|package)/

/** File names of the official examples, up to `perType` of each type; a development dependency, so always there. */
export function exampleNames(perType: number): string[] {
  const names = readdirSync(FOLDER).filter((name) => name.endsWith('.json') && !DEFINITIONAL.test(name))
  const counts = new Map<string, number>()
  return names.sort().filter((name) => {
    const type = name.slice(0, name.indexOf('-'))
    counts.set(type, (counts.get(type) ?? 0) + 1)
    return (counts.get(type) ?? 0) <= perType
  })
}

export function readExample(name: string): Resource {
  return parseJson(readFileSync(join(FOLDER, name))) as unknown as Resource
}

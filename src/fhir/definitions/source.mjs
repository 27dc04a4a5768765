import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Reads the official R4 package `hl7.fhir.r4.examples` (4.0.1, CC0), one file a resource. It is a development
 * dependency of 190 MB: only the build reads it, never the running gateway.
 */
export class Source {
  /** @param {string} folder */
  constructor(folder) {
    this.folder = folder
  }

  /** @param {string} name file name without `.json` @returns {any} the resource, or undefined */
  read(name) {
    const file = join(this.folder, `${name}.json`)
    return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined
  }

  /** All resources of a type. */
  all(type) {
    return readdirSync(this.folder)
      .filter((name) => name.startsWith(`${type}-`) && name.endsWith('.json'))
      .map((name) => JSON.parse(readFileSync(join(this.folder, name), 'utf8')))
      .filter((resource) => resource.resourceType === type)
  }
}

export const sorted = (entries) => Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))

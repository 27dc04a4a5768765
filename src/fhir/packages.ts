import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { isResource } from './is-resource.js'
import { parseJson } from './json.js'
import { filesOf, PackageError } from './package-archive.js'
import { subsetted } from './subset.js'
import type { Resource } from './types.js'

/** Types of a package that are used; its examples and its pages are not. */
const CONFORMANCE: ReadonlySet<string> = new Set([
  'CodeSystem',
  'OperationDefinition',
  'SearchParameter',
  'StructureDefinition',
  'ValueSet',
])

/**
 * The conformance resources of every package in a folder: `.tgz` archives, and folders that hold what such an archive
 * holds (with or without its `package` folder). Read at start, in the order of the names, so that a later version of a
 * canonical is found by its url alone.
 *
 * @throws PackageError naming the package that cannot be used, or when the folder cannot be read
 */
export function readPackages(folder: string): Resource[] {
  return namesIn(folder)
    .sort()
    .flatMap((name) => {
      const path = join(folder, name)
      try {
        if (/\.(?:tgz|tar\.gz)$/.test(name)) return readPackageArchive(readFileSync(path))
        return statSync(path).isDirectory() ? readPackageFolder(path) : []
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        throw new PackageError(`The FHIR package ${name} cannot be used: ${reason}.`, { cause: error })
      }
    })
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    throw new PackageError('There is no folder of that name that can be read.', { cause: error })
  }
}

/** @throws PackageError */
export function readPackageArchive(archive: Uint8Array): Resource[] {
  const files = filesOf(archive).filter(({ path }) => /^package\/[^/]+\.json$/.test(path))
  if (!files.some(({ path }) => path === 'package/package.json')) throw new PackageError('has no package/package.json')
  return files.flatMap(({ path, bytes }) => conformanceIn(path, bytes))
}

function readPackageFolder(folder: string): Resource[] {
  const inner = join(folder, 'package')
  const from = readdirSync(folder).includes('package') ? inner : folder
  return readdirSync(from)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .flatMap((name) => conformanceIn(name, readFileSync(join(from, name))))
}

function conformanceIn(name: string, bytes: Uint8Array): Resource[] {
  // package.json and .index.json are no resources
  if (/(?:^|\/)(?:package|\.index)\.json$/.test(name)) return []
  let found: unknown
  try {
    found = parseJson(bytes)
  } catch (error) {
    throw new PackageError(`${name} is not JSON`, { cause: error })
  }
  return isResource(found) && CONFORMANCE.has(found.resourceType) ? [compact(found)] : []
}

/** Without what is for readers, and without the snapshot where there is a differential: two thirds of a package. They are read by clients too, so they say so. */
function compact(resource: Resource): Resource {
  const { text, snapshot, ...kept } = resource
  if (text === undefined && snapshot === undefined) return resource
  const short = subsetted<Resource>(kept)
  return resource['differential'] === undefined && snapshot !== undefined ? { ...short, differential: snapshot } : short
}

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { parseJson } from '../../src/fhir/json.js'
import type { Resource } from '../../src/fhir/types.js'

/** Real data that stands beside the repository and is never part of it; tests that need it skip without it. */
export const SHARED_DATA = new URL('../../../shared/data/', import.meta.url).pathname
export const hasSharedData = existsSync(SHARED_DATA)

/** The bytes of a file, those of a `.gz` file uncompressed. */
export function readSharedBytes(...path: string[]): Uint8Array {
  const bytes = readFileSync(join(SHARED_DATA, ...path))
  return path.at(-1)?.endsWith('.gz') ? gunzipSync(bytes) : bytes
}

/** Parses a `.json` or `.json.gz` file with exact decimals. */
export function readShared(...path: string[]): Resource {
  return parseJson(readSharedBytes(...path)) as unknown as Resource
}

/** File names of a folder of the shared data, in order; empty where it is absent. */
export function listShared(...path: string[]): string[] {
  return hasSharedData ? readdirSync(join(SHARED_DATA, ...path)).sort() : []
}

/** The resources of every `step`-th Bundle of a Synthea set. */
export function syntheaResources(set: string, step: number): Resource[] {
  const files = listShared('synthea', set).filter((name) => name.endsWith('.json.gz'))
  return files.flatMap((file, at) => {
    if (at % step !== 0) return []
    const bundle = readShared('synthea', set, file) as unknown as { entry: { resource: Resource }[] }
    return bundle.entry.map((entry) => entry.resource)
  })
}

import { Buffer } from 'node:buffer'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { deflateRawSync } from 'node:zlib'

/** What R4 defines that clients ask for. */
const TYPES = [
  'CodeSystem',
  'CompartmentDefinition',
  'OperationDefinition',
  'SearchParameter',
  'StructureDefinition',
  'ValueSet',
]

/**
 * The conformance resources of R4 themselves, without narrative and, where there is a differential, snapshot: each compressed by itself in one file, and
 * where each lies in the other, so that the gateway reads one of them without the rest.
 *
 * @param {import('./source.mjs').Source} source
 * @param {string} out
 */
export function writeBase(source, out) {
  const pieces = []
  let offset = 0
  const index = Object.fromEntries(
    TYPES.map((type) => [
      type,
      source
        .all(type)
        .filter(({ id, url }) => typeof id === 'string' && typeof url === 'string' && url.startsWith('http'))
        .sort((a, b) => (a.id < b.id ? -1 : 1))
        .map((resource) => {
          const piece = deflateRawSync(JSON.stringify(short(resource)), { level: 9 })
          pieces.push(piece)
          const at = [resource.id, resource.url, resource.name ?? '', offset, piece.length]
          offset += piece.length
          return at
        }),
    ]),
  )
  writeFileSync(join(out, 'base.bin'), Buffer.concat(pieces))
  writeFileSync(join(out, 'base.json'), JSON.stringify(index))
}

function short(resource) {
  const { snapshot, ...kept } = resource
  delete kept.text
  return kept.resourceType === 'StructureDefinition' && kept.differential === undefined && snapshot !== undefined
    ? { ...kept, differential: snapshot }
    : kept
}

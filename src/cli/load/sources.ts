import { createHash } from 'node:crypto'
import { readFile, readdir, realpath, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { gunzipSync } from 'node:zlib'

/** A file to load, as it was found. */
export interface Source {
  readonly path: string
  readonly kind: 'json' | 'ndjson'
  /** SHA-256 of the file as it lies on disk, hex. */
  readonly hash: string
  /**
   * Files of a lower rank are loaded before those of a higher one: what patients' records refer to, then whatever
   * holds Patients, then the rest, whose Patients must be known by then.
   */
  readonly rank: 0 | 1 | 2
}

const LOADABLE = /\.(json|ndjson)(\.gz)?$/i
const EVERYBODYS = /hospital|practitioner|organization|location/i

/**
 * The `.json` and `.ndjson` files (also `.gz`) that these paths name, folders with what lies in them, in the order in
 * which they are to be loaded.
 *
 * @throws Error that names a path which does not exist or is no such file
 */
export async function findSources(paths: readonly string[]): Promise<Source[]> {
  const files = new Set<string>()
  for (const path of paths) for (const file of await filesUnder(path)) files.add(file)
  const sources: Source[] = []
  for (const file of files) sources.push(await inspect(file))
  return sources.sort((a, b) => a.rank - b.rank || (a.path < b.path ? -1 : 1))
}

/** The text of a file, decompressed. */
export async function readSource({ path }: Pick<Source, 'path'>): Promise<Buffer> {
  const bytes = await readFile(path)
  return path.toLowerCase().endsWith('.gz') ? gunzipSync(bytes) : bytes
}

async function filesUnder(path: string): Promise<string[]> {
  const found = await stat(path).catch(() => {
    throw new Error(`${path} does not exist.`)
  })
  if (found.isDirectory()) return filesIn(path, new Set())
  if (LOADABLE.test(path)) return [path]
  throw new Error(`${path} is not a .json, .ndjson, .json.gz or .ndjson.gz file.`)
}

/** @param seen folders by their real paths: links are followed, and may lead back */
async function filesIn(folder: string, seen: Set<string>): Promise<string[]> {
  const real = await realpath(folder)
  if (seen.has(real)) return []
  seen.add(real)
  const files: string[] = []
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    const found = await stat(path).catch(() => null)
    if (found?.isDirectory()) files.push(...(await filesIn(path, seen)))
    else if (LOADABLE.test(name)) {
      if (!found) throw new Error(`${path} is a link to what does not exist.`)
      if (found.isFile()) files.push(path)
    }
  }
  return files
}

async function inspect(path: string): Promise<Source> {
  const text = await readSource({ path })
  const hash = createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
  const kind = /\.ndjson(\.gz)?$/i.test(path) ? 'ndjson' : 'json'
  return { path, kind, hash, rank: rankOf(path, text) }
}

/** By content where that is quickly seen, by name among files without Patients. */
function rankOf(path: string, text: Buffer): Source['rank'] {
  if (/"resourceType"\s*:\s*"Patient"/.test(text.toString('latin1'))) return 1
  return EVERYBODYS.test(basename(path)) || !text.includes('"Patient/') ? 0 : 2
}

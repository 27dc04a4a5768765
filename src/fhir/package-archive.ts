import { gunzipSync } from 'node:zlib'

/** What one package may cost; the core package of R4 with all its examples is a quarter of it. */
export const PACKAGE_LIMITS = { compressedBytes: 64 * 2 ** 20, bytes: 512 * 2 ** 20, files: 20_000 }

/** The archive is not one that can be read, or is larger than a package may be. */
export class PackageError extends Error {
  override readonly name = 'PackageError'
}

export interface ArchivedFile {
  /** As in the archive, `package/StructureDefinition-us-core-patient.json`. */
  readonly path: string
  readonly bytes: Uint8Array
}

const BLOCK = 512

/**
 * The files of a FHIR NPM package, https://hl7.org/fhir/packages.html: a gzipped tar. Names of POSIX, PAX and GNU are
 * read; links and devices are left out. Nothing is written to a disk, so no path leads anywhere.
 *
 * @throws PackageError
 */
export function filesOf(archive: Uint8Array, limits = PACKAGE_LIMITS): ArchivedFile[] {
  if (archive.length > limits.compressedBytes) throw new PackageError(`is larger than ${limits.compressedBytes} bytes`)
  const tar = unzipped(archive, limits.bytes)
  const files: ArchivedFile[] = []
  let named: string | undefined
  for (let at = 0; at + BLOCK <= tar.length && tar[at] !== 0;) {
    const header = tar.subarray(at, at + BLOCK)
    const size = sizeIn(header)
    const start = at + BLOCK
    if (start + size > tar.length) throw new PackageError('is cut off')
    const content = tar.subarray(start, start + size)
    const type = String.fromCharCode(header[156] ?? 0)
    if (type === 'x') named = paxPath(content) ?? named
    else if (type === 'L') named = textIn(content, 0, size)
    else {
      if (type === '0' || type === '\0') files.push({ path: named ?? nameIn(header), bytes: content })
      if (files.length > limits.files) throw new PackageError(`has more than ${limits.files} files`)
      named = undefined
    }
    at = start + Math.ceil(size / BLOCK) * BLOCK
  }
  return files
}

function unzipped(archive: Uint8Array, maxOutputLength: number): Uint8Array {
  try {
    return gunzipSync(archive, { maxOutputLength })
  } catch (error) {
    const tooLarge = (error as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE'
    throw new PackageError(tooLarge ? `unpacks to more than ${maxOutputLength} bytes` : 'is not gzip', { cause: error })
  }
}

function sizeIn(header: Uint8Array): number {
  if (((header[124] ?? 0) & 0x80) !== 0) throw new PackageError('has a file of more than 8 GiB')
  const size = Number.parseInt(textIn(header, 124, 12).trim() || '0', 8)
  if (!Number.isSafeInteger(size)) throw new PackageError('is not a tar archive')
  return size
}

function nameIn(header: Uint8Array): string {
  const prefix = textIn(header, 257, 5) === 'ustar' ? textIn(header, 345, 155) : ''
  const name = textIn(header, 0, 100)
  return prefix === '' ? name : `${prefix}/${name}`
}

/** Records `<length> path=<value>\n`, of which only the path matters here. */
function paxPath(content: Uint8Array): string | undefined {
  return /^\d+ path=(.*)$/m.exec(Buffer.from(content).toString())?.[1]
}

function textIn(bytes: Uint8Array, start: number, length: number): string {
  const end = bytes.indexOf(0, start)
  const stop = end < 0 ? start + length : Math.min(end, start + length)
  return Buffer.from(bytes.subarray(start, stop)).toString()
}

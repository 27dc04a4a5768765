import { gunzipSync, gzipSync } from 'node:zlib'

/** A `.tgz` as NPM makes it, of files by their path. */
export function tarball(files: Readonly<Record<string, string | Uint8Array>>): Buffer {
  return gzipSync(tar(files))
}

export function tar(files: Readonly<Record<string, string | Uint8Array>>): Buffer {
  const parts = Object.entries(files).flatMap(([path, content]) => {
    const bytes = Buffer.from(content as string)
    return [tarHeader(path, bytes.length), bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]
  })
  return Buffer.concat([...parts, Buffer.alloc(1024)])
}

export function tarHeader(path: string, size: number, type = '0'): Buffer {
  const header = Buffer.alloc(512)
  header.write(path.slice(-100), 0)
  header.write('0000644\0', 100)
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124)
  header.write('        ', 148)
  header.write(type, 156)
  header.write('ustar\x0000', 257)
  if (path.length > 100) header.write(path.slice(0, -101), 345)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return header
}

/** A package of the resources in an ndjson file, gzipped or not. */
export function packageOf(name: string, ndjson: Uint8Array): Buffer {
  const text = (ndjson[0] === 0x1f ? gunzipSync(ndjson) : Buffer.from(ndjson)).toString()
  const files = text.split('\n').flatMap((line) => {
    if (line === '') return []
    const { resourceType, id } = JSON.parse(line) as { resourceType: string; id: string }
    return [[`package/${resourceType}-${id}.json`, line]] as const
  })
  const manifest = JSON.stringify({ name, version: '0.0.0', fhirVersions: ['4.0.1'] })
  return tarball({ 'package/package.json': manifest, ...Object.fromEntries(files) })
}

import type { IncomingHttpHeaders } from 'node:http'
import { Transform, type Readable, type TransformCallback } from 'node:stream'
import { createBrotliDecompress, createGunzip } from 'node:zlib'
import { ConsentryError } from '../errors.js'

/** A request body as it was before the client compressed it. The size limit counts the decompressed bytes. */
export function decompressed(headers: IncomingHttpHeaders, payload: Readable): Readable {
  const coding = headers['content-encoding']?.trim().toLowerCase()
  if (coding === undefined || coding === '' || coding === 'identity') return payload
  if (coding !== 'gzip' && coding !== 'x-gzip' && coding !== 'br')
    throw new ConsentryError('unsupported-media-type', 'Request bodies may have Content-Encoding gzip or br.', {
      expression: ['http.content-encoding'],
    })
  const counter = new Counter()
  const plain = coding === 'br' ? createBrotliDecompress() : createGunzip()
  payload.once('error', (error) => plain.destroy(error))
  payload.pipe(counter).pipe(plain)
  // Fastify compares this with Content-Length.
  Object.defineProperty(plain, 'receivedEncodedLength', { get: () => counter.bytes })
  return plain
}

class Counter extends Transform {
  bytes = 0

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.bytes += chunk.length
    done(null, chunk)
  }
}

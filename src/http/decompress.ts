import type { IncomingHttpHeaders } from 'node:http'
import { PassThrough, Transform, type Readable, type TransformCallback } from 'node:stream'
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
  const body = new PassThrough()
  // Nobody reads the body of a GET or of a request that is refused first; an error nobody hears would end the process.
  body.on('error', () => undefined)
  payload.once('error', (error) => body.destroy(error))
  plain.once('error', (cause) =>
    body.destroy(
      new ConsentryError('malformed', `The request body is not whole ${coding} data.`, {
        cause,
        expression: ['http.body'],
      }),
    ),
  )
  // The limit on the body was reached, or the client went away: stop decompressing.
  body.once('close', () => plain.destroy())
  payload.pipe(counter).pipe(plain).pipe(body)
  // Fastify compares this with Content-Length.
  Object.defineProperty(body, 'receivedEncodedLength', { get: () => counter.bytes })
  return body
}

class Counter extends Transform {
  bytes = 0

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.bytes += chunk.length
    done(null, chunk)
  }
}

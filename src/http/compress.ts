import { promisify } from 'node:util'
import { brotliCompress, constants, createBrotliCompress, createGzip, gzip } from 'node:zlib'
import type { Transform } from 'node:stream'

const gzipAsync = promisify(gzip)
const brotliAsync = promisify(brotliCompress)

/** Below this many bytes a response fits one packet anyway. */
export const COMPRESS_FROM = 1400

/** The levels of the best ratio per time on FHIR JSON: README has the figures. */
const GZIP = { level: 1 }
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }

/** Off the event loop, in the pool of libuv. */
export function compress(coding: 'gzip' | 'br', bytes: Uint8Array): Promise<Buffer> {
  return coding === 'gzip' ? gzipAsync(bytes, GZIP) : brotliAsync(bytes, BROTLI)
}

/** For streamed bodies; each chunk is flushed, so that nothing waits for the next. */
export function compressor(coding: 'gzip' | 'br'): Transform {
  return coding === 'gzip'
    ? createGzip({ ...GZIP, flush: constants.Z_SYNC_FLUSH })
    : createBrotliCompress({ ...BROTLI, flush: constants.BROTLI_OPERATION_FLUSH })
}

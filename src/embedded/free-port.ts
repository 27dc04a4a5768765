import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import { codeOf } from '../errors.js'

/**
 * Below what systems give to outgoing connections (Linux: from 32768; RFC 6335, section 6: from 49152), one of which takes a port now and
 * then between the look and the listening, or after a stop before the next start.
 */
const [FIRST, LAST] = [20_000, 32_767]
const TRIES = 32

export const HOST = '127.0.0.1'

/** A port that nobody listens on, and that nobody is likely to take before the caller does, nor while the caller is away. */
export async function freePort(host = HOST): Promise<number> {
  for (let tried = 0; tried < TRIES; tried++) {
    const port = await listenable(host, randomInt(FIRST, LAST + 1)).catch(taken)
    if (port !== null) return port
  }
  return listenable(host, 0)
}

/** Listens for a moment. @returns the port; of 0 one of the system's. @throws what listening throws: EADDRINUSE, EACCES, EADDRNOTAVAIL, … */
export function listenable(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject)
    probe.listen(port, host, () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : port))
    })
  })
}

/** For a port that somebody has: null; throws any other error. EACCES: Windows keeps ranges for itself. */
export function taken(error: unknown): null {
  if (['EADDRINUSE', 'EACCES'].includes(codeOf(error))) return null
  throw error
}

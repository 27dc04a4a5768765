import type { FastifyInstance } from 'fastify'

/** Requests that have begun and whose response is not out yet. */
export interface InFlight {
  /** Resolves at once when there is none, else when the last one has ended. */
  none(): Promise<void>
}

export function trackInFlight(server: FastifyInstance): InFlight {
  let count = 0
  let waiting: (() => void)[] = []
  server.addHook('onRequest', (_request, reply, done) => {
    // A client that is gone already: its 'close' has been, and would be waited for in vain.
    if (reply.raw.destroyed) return done()
    count += 1
    reply.raw.once('close', () => {
      count -= 1
      if (count > 0) return
      for (const resume of waiting) resume()
      waiting = []
    })
    done()
  })
  return {
    none: () => (count === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  }
}

/**
 * Closes the server without waiting for connections on which nothing is asked: node's own close leaves alone those
 * that were opened ahead of a first request, and a browser's or a load balancer's would hold it for minutes.
 */
export async function closeWhenAnswered(
  server: FastifyInstance,
  inFlight: InFlight,
  close: () => Promise<unknown>,
): Promise<void> {
  const closed = close()
  await inFlight.none()
  server.server.closeAllConnections()
  await closed
}

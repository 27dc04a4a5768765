import type { FastifyInstance } from 'fastify'
import { ConsentryError } from '../errors.js'

/** A part that must work before requests are sent here; `check` throws when it does not. */
export interface ReadinessCheck {
  /** Of our own choosing, such as `database` or `chain`. */
  readonly name: string
  readonly check: () => Promise<void>
}

const CHECK_MILLISECONDS = 5000

/** /health/live: the process answers. /health/ready: every part works and the server is not on its way down. */
export function health(server: FastifyInstance, checks: readonly ReadinessCheck[], draining: () => boolean): void {
  server.get('/health/live', async (_request, reply) => reply.send({ status: 'live' }))
  server.get('/health/ready', async (_request, reply) => {
    const results = await outcomes(checks)
    const parts = Object.fromEntries(results)
    const ready = !draining() && results.every(([, result]) => result === 'ok')
    const status = ready ? 'ready' : draining() ? 'draining' : 'not ready'
    if (!ready) void reply.code(503).header('retry-after', '1')
    return reply.send({ status, parts })
  })
}

/** Whether every part works. */
export async function isReady(checks: readonly ReadinessCheck[]): Promise<boolean> {
  return (await outcomes(checks)).every(([, result]) => result === 'ok')
}

function outcomes(checks: readonly ReadinessCheck[]): Promise<(readonly [name: string, result: string])[]> {
  return Promise.all(checks.map(async ({ name, check }) => [name, await outcome(check)] as const))
}

/** `ok`, or a reason that may be read by anyone: only our own errors have one. */
async function outcome(check: () => Promise<void>): Promise<string> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new ConsentryError('unavailable', 'No answer in time.')), CHECK_MILLISECONDS)
  })
  try {
    await Promise.race([check(), late])
    return 'ok'
  } catch (error) {
    return error instanceof ConsentryError ? error.message : 'failed'
  } finally {
    clearTimeout(timer)
  }
}

import type { LoggerService } from '@nestjs/common'
import type { FastifyBaseLogger } from 'fastify'

/** Nest's own messages in our log: what it says about its start is for debugging only. */
export function nestLogger(log: FastifyBaseLogger): LoggerService {
  const text = (message: unknown) => (typeof message === 'string' ? message : 'Nest')
  return {
    log: (message: unknown) => log.debug(text(message)),
    debug: (message: unknown) => log.debug(text(message)),
    verbose: (message: unknown) => log.trace(text(message)),
    warn: (message: unknown) => log.warn(text(message)),
    error: (message: unknown) => log.error(message instanceof Error ? { err: message } : {}, text(message)),
    fatal: (message: unknown) => log.fatal(message instanceof Error ? { err: message } : {}, text(message)),
  }
}

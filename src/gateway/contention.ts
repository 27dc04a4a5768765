import { ConsentryError } from '../errors.js'

const ATTEMPTS = 5

/**
 * Runs a write anew when another writer was faster: it then finds what that one made, or changes what that one left. For
 * writes that begin with a look at what is there, such as a condition or a patch.
 */
export async function retried<T>(run: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run()
    } catch (error) {
      if (!isOvertaken(error) || attempt === ATTEMPTS) throw error
    }
  }
}

/** What `retried` retries, and what a client is told after the last attempt. */
export function overtaken(diagnostics: string): ConsentryError {
  return new ConsentryError('conflict', diagnostics, { code: 'lock-error', retryAfterSeconds: 1 })
}

function isOvertaken(error: unknown): boolean {
  return error instanceof ConsentryError && error.kind === 'conflict' && error.issues[0]?.code === 'lock-error'
}

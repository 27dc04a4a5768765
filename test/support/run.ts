import { randomBytes } from 'node:crypto'
import { dropOwnDatabases, RUN, SERVER } from './own-database.js'
import { forgetTemplates } from './template.js'

/** What vitest does before the first file and after the last. */
export function setup(): () => Promise<void> {
  const run = (process.env[RUN] ??= randomBytes(4).toString('hex'))
  return async () => {
    forgetTemplates(`gateway-${run}`)
    if (SERVER !== undefined) await dropOwnDatabases()
  }
}

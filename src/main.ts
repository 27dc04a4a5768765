import { portToListenOn } from './address.js'
import { ConfigurationError, readConfig } from './config.js'
import { ConsentryError } from './errors.js'

try {
  const config = readConfig()
  const port = await portToListenOn(config)
  // Most of the program, which takes a second to load: what is wrong with the above is told before.
  const { start } = await import('./start.js')
  await start(config, port)
} catch (error) {
  // What the operator can act on is said in one sentence; the rest needs its frames.
  const known = error instanceof ConfigurationError || error instanceof ConsentryError
  process.stderr.write(`${known ? error.message : error instanceof Error ? error.stack : 'Consentry cannot start.'}\n`)
  process.exit(1)
}

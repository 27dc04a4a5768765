/*
 * node gateway-keeper.mjs <process id> <data directory> <URL of its database, or ''>
 * Waits until whoever started it is gone, which closes its standard input, and then ends the gateway and removes what was its own.
 */
import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { URL } from 'node:url'

const [, , pid, data, url] = process.argv
const PATIENCE_MS = 30_000

process.stdin.resume()
await new Promise((gone) => process.stdin.once('close', gone))
signal('SIGTERM')
for (const from = Date.now(); signal(0); await sleep(50)) if (Date.now() - from > PATIENCE_MS) signal('SIGKILL')
rmSync(data, { recursive: true, force: true })
if (url !== '') {
  const { default: pg } = await import('pg')
  const name = new URL(url).pathname.slice(1)
  const client = new pg.Client({ connectionString: Object.assign(new URL(url), { pathname: '/postgres' }).href })
  await client.connect()
  await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`).finally(() => client.end())
}

/** Whether it was there. */
function signal(name) {
  try {
    return process.kill(Number(pid), name)
  } catch {
    return false
  }
}

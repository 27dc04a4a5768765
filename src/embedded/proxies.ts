import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { ConsentryError } from '../errors.js'
import type { Deployment } from '../ledger/deploy.js'
import type { ProxyIdentity } from '../proxy/protocol.js'

/** A proxy that runs as a process of its own. */
export interface ProxyProcess {
  readonly identity: ProxyIdentity
  readonly process: ChildProcess
  stop(): Promise<void>
}

export interface ProxyProcessOptions {
  /** The proxy's own data directory. */
  readonly directory: string
  readonly rpcUrl: string
  readonly deployment: Deployment
  /** What an earlier start listened on; otherwise any free port, which is kept. */
  readonly port?: number
}

const READY_MS = 30_000

/** Starts `src/proxy/main.js` and waits for its identity. Its passphrase lies beside its keystore, for its owner alone. */
export async function startProxy(options: ProxyProcessOptions): Promise<ProxyProcess> {
  const { directory, rpcUrl, deployment } = options
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const port = options.port ?? Number((await kept(join(directory, 'port'))) ?? 0)
  const child = spawn(process.execPath, [new URL('../proxy/main.js', import.meta.url).pathname, '--with-parent'], {
    env: {
      CONSENTRY_DATA: directory,
      CONSENTRY_PASSPHRASE: await passphrase(directory),
      ETH_RPC_URL: rpcUrl,
      LEDGER_DEPLOYMENT: JSON.stringify(deployment),
      HOST: '127.0.0.1',
      PORT: String(port),
    },
    // The proxy ends when its end of stdin closes: also when we are killed.
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const identity = await firstLine(child)
  await writeFile(join(directory, 'port'), new URL(identity.endpoint).port, { mode: 0o600 })
  return { identity, process: child, stop: () => stop(child) }
}

async function firstLine(child: ChildProcess): Promise<ProxyIdentity> {
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  return new Promise((resolve, reject) => {
    const fail = (): void => reject(new ConsentryError('unavailable', 'A re-encryption proxy did not start.'))
    const timer = setTimeout(fail, READY_MS)
    child.once('exit', fail)
    lines.once('line', (line) => {
      clearTimeout(timer)
      child.off('exit', fail)
      resolve(JSON.parse(line) as ProxyIdentity)
    })
  })
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 5_000)
  await ended
  clearTimeout(timer)
}

async function passphrase(directory: string): Promise<string> {
  const file = join(directory, 'passphrase')
  const known = await kept(file)
  if (known !== undefined) return known
  const made = randomBytes(24).toString('base64url')
  await writeFile(file, made, { mode: 0o600 })
  return made
}

function kept(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  )
}

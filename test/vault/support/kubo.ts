import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** Where `.ci/run` puts what it builds, unless $KUBO names a binary. */
const CACHE = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache')
const BINARY = process.env.KUBO ?? join(CACHE, 'consentry-ci/bin/ipfs')
export const hasKubo = existsSync(BINARY)
export const NO_KUBO = `no Kubo: set $KUBO to an ipfs binary (looked at ${BINARY})`

export interface KuboNode {
  /** Of the RPC API. */
  readonly url: string
  stop(): Promise<void>
}

/** A node of its own in a new directory, on ports of its own, that talks to nobody. */
export async function startKubo(): Promise<KuboNode> {
  const path = await mkdtemp(join(tmpdir(), 'consentry-kubo-'))
  const env = { ...process.env, IPFS_PATH: path }
  execFileSync(BINARY, ['init', '--profile=test', '--empty-repo'], { env, stdio: 'ignore' })
  const daemon: ChildProcess = spawn(BINARY, ['daemon', '--offline'], { env, stdio: ['ignore', 'pipe', 'ignore'] })
  for await (const line of createInterface({ input: daemon.stdout as NodeJS.ReadableStream })) {
    if (line.includes('Daemon is ready')) break
  }
  const [, , host, , port] = readFileSync(join(path, 'api'), 'utf8').split('/')
  return {
    url: `http://${host}:${port}`,
    async stop() {
      daemon.kill('SIGTERM')
      if (daemon.exitCode === null) await once(daemon, 'exit')
      await rm(path, { recursive: true, force: true })
    },
  }
}

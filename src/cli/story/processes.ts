import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const START_MS = 90_000
const main = (file: string): string => fileURLToPath(new URL(`../../${file}`, import.meta.url))

/** A gateway as a process of its own. */
export interface GatewayProcess {
  readonly url: string
  readonly directory: string
  readonly process: ChildProcess
  stop(): Promise<void>
}

/**
 * Starts a gateway and waits for its ready line.
 * @param unregistered told the registration that the gateway asks its administrator for
 */
export async function startGateway(
  directory: string,
  environment: Readonly<Record<string, string>>,
  unregistered: (request: string) => Promise<void> = async () => undefined,
): Promise<GatewayProcess> {
  const child = spawn(process.execPath, [main('main.js')], {
    env: { CONSENTRY_DATA: directory, PORT: '0', LOG_LEVEL: 'warn', ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  const url = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('A gateway did not become ready.')), START_MS)
    child.once('exit', (code) => {
      clearTimeout(timer)
      reject(new Error(`A gateway ended with ${code} before it was ready.`))
    })
    lines.on('line', (line) => {
      const ready = /^Consentry is ready: (\S+)/.exec(line)?.[1]
      const request = /^Waiting to be registered by the administrator: (.+)$/.exec(line)?.[1]
      if (request !== undefined) unregistered(request).catch(reject)
      if (ready !== undefined) {
        clearTimeout(timer)
        resolve(ready)
      }
    })
  })
  return { url, directory, process: child, stop: () => stopProcess(child) }
}

export async function stopProcess(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill(signal)
  await ended
}

/** Runs one of our command line programs on a data directory. */
export async function command(
  file: string,
  args: readonly string[],
  directory: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<{ code: number; output: string }> {
  try {
    const { stdout, stderr } = await run(process.execPath, [main(`cli/${file}`), ...args], {
      env: { CONSENTRY_DATA: directory, ...environment },
      maxBuffer: 64 * 1024 * 1024,
    })
    return { code: 0, output: `${stdout}${stderr}` }
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: number; stdout?: string; stderr?: string }
    return { code: code ?? 1, output: `${stdout ?? ''}${stderr ?? ''}` }
  }
}

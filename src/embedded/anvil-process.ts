import { spawn } from 'node:child_process'
import { openSync, closeSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ConsentryError } from '../errors.js'
import { Rpc } from '../ledger/rpc.js'
import { freePort, HOST, listenable, taken } from './free-port.js'

export interface AnvilArguments {
  readonly binary: string
  readonly directory: string
  readonly port: number
  readonly chainId: number
  /** Name of the log file; the one whose exit dump counts has none. */
  readonly log?: string
  /** A dump to begin from. */
  readonly state?: string
  /** Seconds since the epoch that the chain's clock begins at; blocks before it are refused. */
  readonly timestamp?: number
}

/** Milliseconds that anvil has to answer; it takes 0.1 s when the machine is not busy. */
const START_LIMIT = 15_000
const POLL = 4

/** The npm package brings it, wherever this module was compiled to; otherwise the one in the path. */
export function anvilBinary(): string {
  try {
    const manifest = createRequire(import.meta.url).resolve('@foundry-rs/anvil-linux-amd64/package.json')
    return join(dirname(manifest), 'bin', 'anvil')
  } catch {
    return 'anvil'
  }
}

/**
 * Starts anvil in a session of its own, so that neither the death of the gateway nor Ctrl-C in its terminal ends it, and
 * resolves with its process id once it answers. States of the last blocks only are kept in memory and none on disk: by
 * default anvil writes the whole state of every block below the home directory (1.7 GB for 10,000 blocks here).
 */
export async function startAnvil(args: AnvilArguments): Promise<number> {
  const log = openSync(join(args.directory, args.log ?? 'anvil.log'), 'w', 0o600)
  const line = [
    ...['--host', '127.0.0.1', '--port', String(args.port), '--chain-id', String(args.chainId), '--quiet', '--no-cors'],
    ...['--accounts', '1', '--order', 'fifo', '--no-mining', '--prune-history', '16'],
    ...['--cache-path', cachePath(args.directory)],
    ...(args.log === undefined ? ['--dump-state', exitDump(args.directory)] : []),
    ...(args.state === undefined ? [] : ['--load-state', args.state]),
    ...(args.timestamp === undefined ? [] : ['--timestamp', String(args.timestamp)]),
  ]
  const child = spawn(args.binary, line, { detached: true, stdio: ['ignore', log, log] })
  closeSync(log)
  child.unref()
  let failure: string | undefined
  child.on('error', (error) => (failure = error.message))
  child.on('exit', (code) => (failure = `it ended with code ${code}; see ${args.log ?? 'anvil.log'}`))
  const rpc = new Rpc(`http://127.0.0.1:${args.port}`, { timeoutMs: 1_000, connections: 1 })
  try {
    const limit = Date.now() + START_LIMIT
    while (failure === undefined && Date.now() < limit) {
      if (await answers(rpc, args.chainId)) return child.pid ?? 0
      await sleep(POLL)
    }
  } finally {
    await rpc.close()
    child.removeAllListeners()
  }
  if (child.pid !== undefined) await endProcess(child.pid, 'SIGKILL')
  throw new ConsentryError('unavailable', `The embedded chain does not start: ${failure ?? 'it does not answer'}.`)
}

/** Where anvil writes its state when it is asked to end; whoever starts next decides whether to believe it. */
export function exitDump(directory: string): string {
  return join(directory, 'exit.json')
}

/** True when the node at the other end is up and of this chain. */
export async function answers(rpc: Rpc, chainId: number): Promise<boolean> {
  return await rpc.send('eth_chainId').then(
    (id) => Number(id) === chainId,
    () => false,
  )
}

/** True while `pid` is an anvil that was started for this directory, and not a stranger with a reused number. */
export function isOurs(pid: number, directory: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`\0${cachePath(directory)}\0`)
  } catch {
    return false
  }
}

/** Sends the signal and waits until the process is gone; after five seconds it is killed. */
export async function endProcess(pid: number, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  const limit = Date.now() + 5_000
  let killed = false
  try {
    process.kill(pid, signal)
    while (running(pid)) {
      await sleep(POLL)
      if (Date.now() < limit || killed) continue
      process.kill(pid, 'SIGKILL')
      killed = true
    }
  } catch {
    // It is gone.
  }
}

/** A zombie, which only waits for its parent to look, does not count; one with threads left still has its sockets. */
function running(pid: number): boolean {
  process.kill(pid, 0)
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return !/^State:\s+Z/m.test(status) || !/^Threads:\s+1$/m.test(status)
  } catch {
    return false
  }
}

/** `wanted` if nobody has it (who has just been killed lets go of it a little later), else one that will last. */
export async function lastingPort(wanted: number): Promise<number> {
  for (let attempt = 0; wanted !== 0 && attempt < 20; attempt++) {
    if ((await listenable(HOST, wanted).catch(taken)) !== null) return wanted
    await sleep(50)
  }
  return freePort()
}

/**
 * Ends an anvil that nobody owns any more: its gateway was killed and never started again. A small shell loop looks every
 * five seconds whether the note still names this anvil and a process that lives: "<gateway> <anvil>".
 */
export function watchOrphan(pid: number, noteFile: string, seconds: number): void {
  const script = `idle=0
while kill -0 "$1" 2>/dev/null; do
  sleep 5
  owner= anvil=
  [ -r "$2" ] && read -r owner anvil < "$2"
  if [ "$anvil" = "$1" ] && kill -0 "$owner" 2>/dev/null; then idle=0; else idle=$((idle + 5)); fi
  if [ "$idle" -ge "$3" ]; then kill "$1"; exit; fi
done`
  const args = ['-c', script, 'consentry-orphan', String(pid), noteFile, String(seconds)]
  const watch = spawn('/bin/sh', args, { detached: true, stdio: 'ignore' })
  watch.on('error', () => undefined)
  watch.unref()
}

/** What the watch reads: this process owns that anvil. */
export function ownership(pid: number): string {
  return `${process.pid} ${pid}\n`
}

function cachePath(directory: string): string {
  return join(directory, 'cache')
}

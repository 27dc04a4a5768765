import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { databaseOf, type RunningProcess, startGateway } from './gateway.js'
import { preparedGateway } from './prepared-data.js'

const KEEPER = fileURLToPath(new URL('./gateway-keeper.mjs', import.meta.url))

export interface SharedGateway {
  readonly data: string
  readonly running: RunningProcess
}

let shared: Promise<SharedGateway> | undefined

/**
 * One gateway with its chain and three proxies for all test files of this worker that stop, alter or restart nothing of it: they
 * bring their own patients, clients and entities, and look at nothing else. It ends with the worker, however that ends.
 */
export function sharedGateway(): Promise<SharedGateway> {
  return (shared ??= open())
}

async function open(): Promise<SharedGateway> {
  const data = await preparedGateway('consentry-shared-')
  const running = await startGateway(data, {}, (child) => keep(data, child))
  for (const stream of [running.child.stdout, running.child.stderr]) (stream as Socket).unref()
  running.child.unref()
  return { data, running }
}

/** The keeper is in no group of ours: what ends us all, by the keyboard or not, leaves it to clean up. */
function keep(data: string, { pid }: ChildProcess): void {
  const { DATABASE_URL = '' } = databaseOf(data)
  const keeper = spawn(process.execPath, [KEEPER, String(pid), data, DATABASE_URL], {
    detached: true,
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  keeper.unref()
  ;(keeper.stdin as Socket).unref()
}

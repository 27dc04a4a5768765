import type { Socket } from 'node:net'
import { type RunningProcess, startGateway } from './gateway.js'
import { preparedGateway } from './prepared-data.js'

export interface SharedGateway {
  readonly data: string
  readonly running: RunningProcess
}

let shared: Promise<SharedGateway> | undefined

/**
 * One gateway with its chain and three proxies for all test files of this process that stop, alter or restart nothing of it: they
 * bring their own patients, clients and entities, and look at nothing else. It ends with the run (`end-run.ts`).
 */
export function sharedGateway(): Promise<SharedGateway> {
  return (shared ??= open())
}

async function open(): Promise<SharedGateway> {
  const data = await preparedGateway('consentry-shared-')
  const running = await startGateway(data)
  // It keeps nobody from ending.
  for (const stream of [running.child.stdout, running.child.stderr]) (stream as Socket).unref()
  running.child.unref()
  return { data, running }
}

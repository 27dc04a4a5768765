import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { FAUCET_KEY } from '../../../src/embedded/anvil.js'
import { anvilBinary } from '../../../src/embedded/anvil-process.js'
import { freePort } from '../../../src/embedded/free-port.js'
import type { Hex } from '../../../src/ledger/hex.js'
import { Rpc } from '../../../src/ledger/rpc.js'

/** A node of its own for one test file, gone with it. */
export interface TestNode {
  readonly kind: 'anvil' | 'geth'
  readonly url: string
  readonly socketUrl: string
  readonly chainId: number
  /** Key of an account that can pay for anything. */
  readonly key: Hex
  readonly rpc: Rpc
  readonly process: ChildProcess
  stop(): Promise<void>
}

/** `geth --dev` signs its blocks with this key, public in its source, and gives it ether without end. */
const GETH_KEY: Hex = '0xb71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291'

/** `.ci/run` builds one; without it the tests on geth say that they are skipped. */
export const gethBinary = [process.env['GETH']].find((path) => path && existsSync(path))

export const gethMissing = 'no geth: set GETH to its binary to run the same tests against it'

export async function startAnvilNode(...extra: string[]): Promise<TestNode> {
  const port = await freePort()
  const args = ['--port', String(port), '--quiet', '--accounts', '1', '--max-persisted-states', '0', ...extra]
  return await node('anvil', spawn(anvilBinary(), args, { stdio: 'ignore' }), port, port, 31_337, FAUCET_KEY)
}

export async function startGethNode(...extra: string[]): Promise<TestNode> {
  const directory = mkdtempSync(join(tmpdir(), 'consentry-geth-'))
  const port = await freePort()
  const socket = await freePort()
  const args = [
    ...[
      '--dev',
      '--datadir',
      directory,
      '--ipcdisable',
      '--nodiscover',
      '--maxpeers',
      '0',
      '--port',
      '0',
      '--verbosity',
      '1',
    ],
    ...['--authrpc.port', String(await freePort()), '--http', '--http.port', String(port)],
    ...['--http.api', 'eth,net,web3,debug,txpool,admin,dev', '--ws', '--ws.port', String(socket), ...extra],
  ]
  const child = spawn(gethBinary ?? '', args, { stdio: 'ignore' })
  const started = await node('geth', child, port, socket, 1337, GETH_KEY)
  const stop = async (): Promise<void> => {
    await started.stop()
    rmSync(directory, { recursive: true, force: true })
  }
  return { ...started, stop }
}

async function node(
  kind: TestNode['kind'],
  child: ChildProcess,
  port: number,
  socket: number,
  chainId: number,
  key: Hex,
): Promise<TestNode> {
  const url = `http://127.0.0.1:${port}`
  const rpc = new Rpc(url, { timeoutMs: 5_000 })
  const stop = async (): Promise<void> => {
    await rpc.close()
    const ended = new Promise((resolve) => child.once('exit', resolve))
    if (child.exitCode === null && child.signalCode === null && child.kill('SIGKILL')) await ended
  }
  for (let attempt = 0; ; attempt++) {
    if (
      await rpc.send('eth_chainId').then(
        (id) => Number(id) === chainId,
        () => false,
      )
    )
      break
    if (attempt > 3_000) throw new Error(`${kind} does not start`)
    await sleep(5)
  }
  return { kind, url, socketUrl: `ws://127.0.0.1:${socket}`, chainId, key, rpc, process: child, stop }
}

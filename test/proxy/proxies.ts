import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { Hex } from '../../src/ledger/hex.js'
import type { LedgerReader } from '../../src/ledger/reads.js'
import type { ProxyIdentity } from '../../src/proxy/protocol.js'
import { proxyServer } from '../../src/proxy/server.js'
import { ProxyStore } from '../../src/proxy/store.js'
import { Ursula } from '../../src/proxy/ursula.js'
import { randomKey } from '../../src/vault/keys.js'
import { SecretKey } from '../../src/vault/pre/index.js'
import { randomId } from '../ledger/support/consortium.js'

/** A proxy in this process, served over HTTP, with keys and a database of its own. */
export interface TestProxy {
  readonly ursula: Ursula
  readonly store: ProxyStore
  readonly file: string
  readonly identity: ProxyIdentity
  readonly server: FastifyInstance
  close(): Promise<void>
}

/** @param now seconds since the epoch */
export async function openProxy(reader: LedgerReader, now: () => number): Promise<TestProxy> {
  const directory = mkdtempSync(join(tmpdir(), 'consentry-proxy-'))
  const file = join(directory, 'proxy.sqlite')
  const keys = { id: randomId(), encryption: SecretKey.random(), receipt: SecretKey.random(), master: randomKey() }
  const store = new ProxyStore(file)
  const ursula = new Ursula(keys, store, reader, now)
  let identity: ProxyIdentity = {
    id: keys.id,
    controller: `0x${'11'.repeat(20)}`,
    encryptionKey: hex(keys.encryption.publicKey.toBytes()),
    receiptKey: hex(keys.receipt.publicKey.toBytes()),
    endpoint: '',
  }
  const server = proxyServer(ursula, () => identity)
  identity = { ...identity, endpoint: await server.listen({ port: 0, host: '127.0.0.1' }) }
  const close = async (): Promise<void> => {
    await server.close()
    store.close()
    rmSync(directory, { recursive: true })
  }
  return { ursula, store, file, identity, server, close }
}

export function hex(bytes: Uint8Array): Hex {
  return `0x${Buffer.from(bytes).toString('hex')}`
}

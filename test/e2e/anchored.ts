import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { decodeManifest, manifestRoot } from '../../src/exchange/manifest.js'
import { Contracts } from '../../src/ledger/contracts.js'
import type { Deployment } from '../../src/ledger/deploy.js'
import type { Hex } from '../../src/ledger/hex.js'
import type { RawLog } from '../../src/ledger/chain.js'

/**
 * CIDs that the chain says are anchored, as often as it says so: every RecordsAnchored event, straight from the node, and
 * the manifests that the events name. Throws when a manifest is missing, altered, or has another root or count.
 */
export async function anchoredCids(dataDirectory: string, gateway: string): Promise<Map<string, number>> {
  const { port } = JSON.parse(await readFile(join(dataDirectory, 'chain/chain.json'), 'utf8')) as { port: number }
  const { chainId, addresses } = JSON.parse(
    await readFile(join(dataDirectory, 'deployment.json'), 'utf8'),
  ) as Deployment
  const contracts = new Contracts(chainId, addresses)
  const logs = await rpc<RawLog[]>(port, 'eth_getLogs', [
    { fromBlock: '0x0', toBlock: 'latest', address: addresses.RecordAnchors },
  ])
  const times = new Map<string, number>()
  for (const log of logs) {
    const event = contracts.decode({ ...log, address: log.address.toLowerCase() as Hex })
    if (event?.name !== 'RecordsAnchored') continue
    const { root, manifest: digest, count } = event.args
    const cid = CID.createV1(0x55, Digest.create(0x12, Buffer.from(digest.slice(2), 'hex'))).toString()
    const response = await fetch(`${gateway.replace(/\/fhir$/, '')}/ipfs/${cid}?format=raw`)
    if (!response.ok) throw new Error(`the manifest ${cid} is not served: ${response.status}`)
    const block = new Uint8Array(await response.arrayBuffer())
    if (`0x${createHash('sha256').update(block).digest('hex')}` !== digest) throw new Error(`${cid} was altered`)
    const manifest = decodeManifest(block)
    if (manifestRoot(manifest) !== root || manifest.entries.length !== Number(count)) {
      throw new Error(`the manifest ${cid} is not that of its root`)
    }
    for (const entry of manifest.entries) times.set(entry.cid, (times.get(entry.cid) ?? 0) + 1)
  }
  return times
}

async function rpc<T>(port: number, method: string, params: unknown[]): Promise<T> {
  const response = await fetch(`http://127.0.0.1:${port}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  })
  const { result, error } = (await response.json()) as { result: T; error?: { message: string } }
  if (error) throw new Error(error.message)
  return result
}

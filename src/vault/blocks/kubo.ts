import * as Car from '@ipld/car/buffer-writer'
import { CID } from 'multiformats/cid'
import { ConsentryError } from '../../errors.js'
import { type Block, parseCid, RAW, requireBlock } from '../cid.js'
import { chunkLinksOf } from '../envelope.js'
import { BATCH_CODEC, batchOf, linksOf } from './batch.js'
import { type BlockStore, MAX_STORED_BLOCK } from './block-store.js'
import { GroupCommit } from './group-commit.js'
import { inParallel, type KuboLimits, KuboRpc, messageOf, unavailable } from './kubo-rpc.js'

/** How long a node that is ready takes at most to say its version. */
const READY_MS = 2_000
/** CIDs in one request. */
const BATCH = 500
/** An option of every RPC command that the client's types do not name: ask no other node. */
const OFFLINE = { offline: true } as object

/**
 * Blocks on a Kubo node through its RPC API (https://docs.ipfs.tech/reference/kubo/rpc/). They survive a crash of the
 * node's machine only if the node syncs: `Datastore.Spec` with `"sync": true` for flatfs.
 */
export class KuboBlockStore implements BlockStore {
  readonly #rpc: KuboRpc
  readonly #writer = new GroupCommit<readonly Block[], readonly CID[]>(
    (group) => this.#import(group.flat()),
    (group) => this.#remove(group.flat()),
  )

  /** @param url of the RPC API, `http://127.0.0.1:5001` */
  constructor(url: string, { searchTimeout = 10_000, answerTimeout = 30_000 }: Partial<KuboLimits> = {}) {
    this.#rpc = new KuboRpc(url, { searchTimeout, answerTimeout })
  }

  async put(blocks: readonly Block[]): Promise<void> {
    if (blocks.length === 0) return
    for (const { cid, bytes } of blocks) {
      if (bytes.length > MAX_STORED_BLOCK) {
        const text = `A block of ${bytes.length} bytes is above the limit of ${MAX_STORED_BLOCK}.`
        throw new ConsentryError('too-large', text)
      }
      requireBlock(cid, bytes)
    }
    await this.#writer.do({ put: blocks, bytes: blocks.reduce((sum, { bytes }) => sum + bytes.length, 0) })
  }

  async get(cids: readonly string[]): Promise<Map<string, Uint8Array>> {
    const found = new Map<string, Uint8Array>()
    await inParallel(new Set(cids), async (cid) => {
      const timeout = this.#rpc.limits.searchTimeout
      const bytes = await this.#rpc.find((client, signal) => client.block.get(parseCid(cid), { signal, timeout }))
      if (bytes === null) return
      requireBlock(cid, bytes)
      found.set(cid, bytes)
    })
    return found
  }

  async has(cids: readonly string[]): Promise<Set<string>> {
    const found = new Set<string>()
    await inParallel(new Set(cids), async (cid) => {
      const stat = await this.#rpc.find((client, signal) => client.block.stat(parseCid(cid), { signal, ...OFFLINE }))
      if (stat !== null) found.add(cid)
    })
    return found
  }

  /** Takes the pins off and removes the blocks, without waiting for the node's garbage collection. Looks through all pins. */
  async delete(cids: readonly string[]): Promise<void> {
    if (cids.length > 0) await this.#writer.do({ delete: cids.map(parseCid) })
  }

  async requireReady(): Promise<void> {
    await this.#rpc.ask((client, signal) =>
      client.version({ signal: AbortSignal.any([signal, AbortSignal.timeout(READY_MS)]) }),
    )
  }

  /** The node names its blocks by hash alone; what a pin or a batch names keeps its codec, the rest is raw. */
  async *list(): AsyncIterable<string> {
    const named = new Map<string, string | null>()
    for await (const { cid } of this.#pins()) {
      named.set(nameOf(cid), cid.code === BATCH_CODEC ? null : cid.toString())
      for (const link of await this.#members(cid)) named.set(nameOf(link), link.toString())
    }
    for await (const { ref, err } of this.#rpc.streamed((client, signal) => client.refs.local({ signal }))) {
      if (err) throw unavailable(err)
      const { multihash } = CID.parse(ref)
      const name = named.get(Buffer.from(multihash.digest).toString('latin1'))
      if (name !== null) yield name ?? CID.createV1(RAW, multihash).toString()
    }
  }

  async close(): Promise<void> {
    await this.#writer.idle()
  }

  /**
   * One CAR (https://ipld.io/specs/transport/car/carv1/), one dag/import and one pin for all blocks. The pin comes last,
   * so what a crash interrupts is garbage to the node.
   */
  async #import(blocks: readonly Block[]): Promise<void> {
    const linked = new Set(blocks.flatMap(({ bytes, cid }) => chunkLinksOf(cid, bytes)))
    const tops = new Set(blocks.map(({ cid }) => cid).filter((cid) => !linked.has(cid)))
    const all = blocks.map(({ cid, bytes }) => ({ cid: parseCid(cid), bytes }))
    await this.#importPinned(all, [...tops].map(parseCid))
  }

  async #importPinned(blocks: readonly { cid: CID; bytes: Uint8Array }[], tops: readonly CID[]): Promise<void> {
    const batch = tops.length === 1 ? null : batchOf(tops)
    const roots = batch === null ? [...tops] : [batch.cid]
    const all = batch === null ? blocks : [...blocks, batch]
    const size = all.reduce((sum, block) => sum + Car.blockLength(block), Car.headerLength({ roots }))
    const writer = Car.createWriter(new ArrayBuffer(size), { roots })
    for (const block of all) Car.addBlock(writer, block)
    const car = Car.close(writer)
    await this.#rpc.ask(async (client, signal) => {
      let pinned = false
      for await (const { root } of client.dag.import(once(car), { pinRoots: true, signal })) {
        if (root.pinErrorMsg) throw new Error(root.pinErrorMsg)
        pinned = true
      }
      if (!pinned) throw new Error('dag/import pinned nothing')
    })
  }

  async #remove(cids: readonly CID[]): Promise<void> {
    const doomed = new Map(cids.map((cid) => [nameOf(cid), cid]))
    const unpinned: CID[] = []
    const kept: CID[][] = []
    // First look, then act: the node may hold its pins locked while it lists them.
    for await (const { cid } of this.#pins()) {
      if (doomed.has(nameOf(cid))) unpinned.push(cid)
      const members = await this.#members(cid)
      const rest = members.filter((link) => !doomed.has(nameOf(link)))
      if (rest.length === members.length) continue
      kept.push(rest)
      unpinned.push(cid)
      doomed.set(nameOf(cid), cid)
    }
    // What stays is pinned anew before the old pin goes.
    for (const rest of kept) if (rest.length > 0) await this.#importPinned([], rest)
    await inParallel(unpinned, (cid) =>
      this.#rpc.ask(async (client, signal) => {
        await client.pin.rm(cid, { signal }).catch((error: unknown) => {
          if (!/not pinned/.test(messageOf(error))) throw error
        })
      }),
    )
    const all = [...doomed.values()]
    for (let i = 0; i < all.length; i += BATCH) {
      await this.#rpc.ask(async (client, signal) => {
        for await (const { error } of client.block.rm(all.slice(i, i + BATCH), { force: true, signal })) {
          if (error) throw error
        }
      })
    }
  }

  #pins(): AsyncIterable<{ cid: CID }> {
    return this.#rpc.streamed((client, signal) => client.pin.ls({ type: 'recursive', signal }))
  }

  /** What a batch links; nothing for any other pin. */
  async #members(pin: CID): Promise<CID[]> {
    if (pin.code !== BATCH_CODEC) return []
    const bytes = await this.#rpc.find((client, signal) => client.block.get(pin, { signal, ...OFFLINE }))
    return bytes === null ? [] : linksOf(bytes)
  }
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes
}

function nameOf(cid: CID): string {
  return Buffer.from(cid.multihash.digest).toString('latin1')
}

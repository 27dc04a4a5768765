import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { VerifiableLog, type LogParts } from '../../src/audit/log.js'
import { decodeSegment } from '../../src/audit/segments.js'
import { verifyConsistency, verifyInclusion } from '../../src/audit/rfc9162.js'
import type { Hex } from '../../src/ledger/hex.js'
import { MTH } from '../reference/rfc9162.js'
import { hospital, type Hospital } from './support/hospital.js'

const hex = (bytes: Uint8Array): Hex => `0x${Buffer.from(bytes).toString('hex')}`

let h: Hospital
beforeAll(async () => {
  h = await hospital()
})
const opened: VerifiableLog[] = []
afterAll(async () => {
  // One that was poked would begin a round without its database.
  await Promise.all(opened.map((log) => log.stop()))
  await h.stop()
})

const partsOf = (change: Partial<LogParts> = {}): LogParts => ({
  entity: h.entity,
  database: h.database,
  blocks: h.blocks,
  reader: h.reader,
  sender: h.operator,
  seal: h.seal,
  onProblem: (error) => {
    throw error
  },
  ...change,
})
const options = { publishAfterMs: 60_000, publishAtLeaves: 10_000, lookEveryMs: 60_000 }
const openLog = (change: Partial<LogParts> = {}): VerifiableLog => {
  const log = new VerifiableLog(partsOf(change), options)
  opened.push(log)
  return log
}
const head = async () => h.reader.read('AuditLog', 'headOf', h.entity)
const allLeaves = async (log: VerifiableLog): Promise<Uint8Array[]> =>
  (await log.leaves.range(0, 1e9)).map(({ hash }) => hash)

describe('the verifiable log', () => {
  it('publishes heads that the contract accepts, and follows them back', async () => {
    const log = openLog()
    await h.happen(3)
    await log.advance()
    expect(Number((await head()).size)).toBe(0)
    await log.advance(true)
    await h.happen(260)
    await log.advance(true)
    expect(await head()).toMatchObject({ size: 263n, root: hex(MTH(await allLeaves(log))) })
    expect(await log.heads.newest()).toBeNull()
    await h.follow([log], async () => (await log.heads.newest())?.size === 263)
    expect(await log.heads.unconfirmed()).toEqual([])
    expect((await log.heads.all()).map(({ size }) => size)).toEqual([3, 263])
  })

  it('goes on after a restart with the kept subtrees and gives the proofs that contract and twin accept', async () => {
    const log = openLog()
    await h.happen(70)
    await log.advance(true)
    const leaves = await allLeaves(log)
    expect(leaves).toHaveLength(333)
    const root = MTH(leaves)
    for (const index of [0, 1, 255, 256, 263, 300, 332]) {
      const proof = await log.tree.inclusionProof(index, 333)
      expect(verifyInclusion(leaves[index] as Uint8Array, index, 333, root, proof)).toBe(true)
      const asked = [h.entity, hex(leaves[index] as Uint8Array), BigInt(index), proof.map(hex)] as const
      expect(await h.reader.read('AuditLog', 'verifyInclusion', ...asked)).toBe(true)
      const other = [h.entity, hex(leaves[(index + 1) % 333] as Uint8Array), BigInt(index), proof.map(hex)] as const
      expect(await h.reader.read('AuditLog', 'verifyInclusion', ...other)).toBe(false)
    }
    for (const first of [1, 3, 128, 255, 256, 257, 263, 332, 333]) {
      const old = MTH(leaves.slice(0, first))
      const proof = await log.tree.consistencyProof(first, 333)
      expect(hex(await log.tree.rootAt(first))).toBe(hex(old))
      expect(verifyConsistency(first, old, 333, root, proof)).toBe(true)
      const asked = [BigInt(first), hex(old), 333n, hex(root), proof.map(hex)] as const
      expect(await h.reader.read('AuditLog', 'verifyConsistency', ...asked)).toBe(true)
    }
  })

  it('puts the sealed bodies since the head before into blocks', async () => {
    const log = openLog()
    await log.advance()
    const leaves = await allLeaves(log)
    const [first, second, third] = await log.heads.all()
    const cids = [first, second, third].flatMap((each) => each?.segments ?? [])
    const blocks = await h.blocks.get(cids)
    const entries = cids.flatMap((cid) => decodeSegment(blocks.get(cid) as Uint8Array).entries)
    expect(entries.map(([leaf]) => hex(leaf))).toEqual(leaves.map(hex))
    expect(entries.every(([, body]) => body !== null)).toBe(true)
    expect([...blocks.values()].every((block) => block.length <= 262_144)).toBe(true)
  })

  it('loses nothing wherever it crashes', async () => {
    let died = 0
    for (let at = 0; ; at++) {
      const before = Number((await head()).size)
      await h.happen(5)
      const crash = crashing(at)
      const log = openLog({
        database: crash.on(h.database, ['query', 'transaction']),
        blocks: crash.on(h.blocks, ['put']),
        sender: crash.on(h.operator, ['send']),
        reader: crash.on(h.reader, ['read']),
      })
      const failed = await log.advance(true).then(
        () => false,
        () => true,
      )
      const next = openLog()
      await next.advance(true)
      const leaves = await allLeaves(next)
      expect(leaves).toHaveLength(before + 5)
      expect(await head()).toMatchObject({ size: BigInt(before + 5), root: hex(MTH(leaves)) })
      if (!failed) break
      died++
    }
    // sequence, catch up, heads, segment, put, prepare, head of the chain, proof, send, sent: each before and after.
    expect(died).toBeGreaterThan(15)
    const log = openLog()
    const size = Number((await head()).size)
    await h.follow([log], async () => (await log.heads.newest())?.size === size)
    expect(await log.heads.unconfirmed()).toEqual([])
  })

  it('does not wait for a block when it is stopped, and goes on when it is started again', async () => {
    const before = Number((await head()).size)
    await h.happen(2)
    await h.node.rpc.send('evm_setAutomine', [false])
    const sending = Promise.withResolvers<void>()
    const problems: unknown[] = []
    const sender: LogParts['sender'] = {
      send: async (call) => {
        const sent = await h.operator.send(call)
        sending.resolve()
        return sent
      },
    }
    const parts = partsOf({ sender, onProblem: (problem) => problems.push(problem) })
    const log = new VerifiableLog(parts, { ...options, publishAfterMs: 0 })
    log.start()
    await sending.promise
    await log.stop()
    expect([problems, Number((await head()).size)]).toEqual([[], before])
    await h.node.rpc.send('evm_mine')
    await h.node.rpc.send('evm_setAutomine', [true])
    await openLog().advance(true)
    expect(Number((await head()).size)).toBe(before + 2)
  })

  it('publishes again what a reorganisation took', async () => {
    const log = openLog()
    await log.advance()
    const snapshot = await h.node.rpc.send('evm_snapshot')
    await h.happen(5)
    await log.advance(true)
    const size = log.tree.size
    await h.follow([log], async () => (await log.heads.newest())?.size === size)
    const seen = (await log.heads.newest())?.evidence?.blockHash
    await h.node.rpc.send('evm_revert', [snapshot])
    await h.node.rpc.send('anvil_mine', ['0x2'])
    await h.follow([log], async () => (await log.heads.newest())?.size !== size)
    expect((await log.heads.unconfirmed()).map((each) => each.size)).toEqual([size])
    await log.advance()
    await h.follow([log], async () => (await log.heads.newest())?.size === size)
    expect((await log.heads.newest())?.evidence?.blockHash).not.toBe(seen)
  })

  it('refuses to go on from a log that is not the one on chain', async () => {
    await h.happen(2)
    await openLog().advance(true)
    const last = Number((await head()).size) - 1
    const [leaf] = await openLog().leaves.range(last, last + 1)
    const alter = (hash: Uint8Array) =>
      h.database.query('UPDATE audit_leaf SET hash = $1 WHERE leaf_index = $2', [hash, last])
    await alter(new Uint8Array(32))
    await h.happen(1)
    await expect(openLog().advance(true)).rejects.toThrow(/differs from its head/)
    await alter(leaf?.hash as Uint8Array)
    await openLog().advance(true)
    expect(Number((await head()).size)).toBe(last + 2)
  })
})

/** Dies before or after the n-th call that has an effect; from then on every call fails, as for a process that is gone. */
function crashing(at: number): { on<T extends object>(target: T, methods: readonly string[]): T } {
  let calls = 0
  const gone = (): never => {
    throw new Error('the process is gone')
  }
  return {
    on: <T extends object>(target: T, methods: readonly string[]): T =>
      new Proxy(target, {
        get(of, name) {
          const value: unknown = Reflect.get(of, name, of)
          if (typeof value !== 'function') return value
          if (!methods.includes(String(name))) return value.bind(of) as unknown
          return async (...args: unknown[]): Promise<unknown> => {
            if (calls++ >= at) gone()
            const result: unknown = await (value as (...a: unknown[]) => Promise<unknown>).apply(of, args)
            if (calls++ >= at) gone()
            return result
          }
        },
      }),
  }
}

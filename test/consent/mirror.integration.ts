import { AsyncLocalStorage } from 'node:async_hooks'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { labelId } from '../../src/consent/labels.js'
import { ConsentMirror } from '../../src/consent/mirror.js'
import { GatewayChainSink } from '../../src/gateway/chain-sink.js'
import type { BlockRef, ChainEvent } from '../../src/ledger/chain.js'
import type { Database } from '../../src/records/database.js'
import { ENGINES } from '../records/open.js'

const id = (n: number) => `0x${n.toString(16).padStart(64, '0')}` as const
const TABLES = ['"grant"', 'party', 'ledger_event', 'chain_block', 'chain_cursor']
/** As a request asks, which is not part of the step. */
const outside = AsyncLocalStorage.snapshot()
const patient = id(1)
const clinic = id(200)

const block = (number: number, fork = 0): BlockRef => ({
  number,
  hash: id(1_000_000 * (fork + 1) + number),
  timestamp: 1_700_000_000 + number,
})
function event(at: BlockRef, name: string, args: Record<string, unknown>, logIndex = 0): ChainEvent {
  const contract = name === 'EntityRegistered' || name === 'StatusChanged' ? 'IdentityRegistry' : 'ConsentRegistry'
  return { contract, name, args, block: at, transactionHash: id(at.number), transactionIndex: 0, logIndex }
}
const word = (purposes: number) => 1n | (10n << 40n) | (BigInt(purposes) << 80n) | (3n << 112n)
const grant = (at: BlockRef, purposes = 1, logIndex = 0) =>
  event(
    at,
    'ConsentGranted',
    { patient, grantee: clinic, label: labelId('general'), actions: 1, consent: word(purposes) },
    logIndex,
  )
const revoke = (at: BlockRef, logIndex = 0) =>
  event(at, 'ConsentRevoked', { patient, grantee: clinic, label: labelId('general'), actions: 1 }, logIndex)
const register = (at: BlockRef) =>
  event(
    at,
    'EntityRegistered',
    { entity: clinic, controller: `0x${'11'.repeat(20)}`, validFrom: 0, validTo: 2 ** 40 - 1, credential: id(0) },
    9,
  )
const suspend = (at: BlockRef) => event(at, 'StatusChanged', { party: clinic, status: 2 }, 10)

describe.each(ENGINES)('the consent mirror in $name', ({ open }) => {
  let database: Database
  let close: () => Promise<void>
  let mirror: ConsentMirror
  let sink: GatewayChainSink
  let broken = false
  /** How often the mirror has read. */
  let read = 0
  let delivered: Promise<unknown> = Promise.resolve()
  let meanwhile: () => Promise<unknown> = async () => undefined
  beforeAll(async () => {
    ;({ database, close } = await open())
    mirror = new ConsentMirror({
      query: async <Row>(text: string, params?: readonly unknown[]) => {
        read++
        const found = await database.query<Row>(text, params)
        await delivered
        return found
      },
    })
    const share = {
      apply: async () => {
        await meanwhile()
        if (broken) throw new Error('another part of the step fails')
      },
      rollback: async () => undefined,
    }
    sink = new GatewayChainSink(database, mirror, [share])
  })
  beforeEach(async () => {
    for (const table of TABLES) await database.query(`DELETE FROM ${table}`)
  })
  afterAll(() => close())

  const apply = (head: BlockRef, finalized: number, ...events: ChainEvent[]) =>
    sink.apply({ events, head, finalized, ancestors: [] })
  const purposes = async () => (await mirror.words([patient], [clinic], 'read')).map((w) => w.purposes)
  const contents = async () => {
    return await Promise.all(
      TABLES.map(async (t) => (await database.query(`SELECT t::text FROM ${t} t ORDER BY 1`)).rows),
    )
  }

  it('gives when a block becomes final, without any event of its own, and takes at once', async () => {
    await apply(block(5), 2, grant(block(5)))
    expect(await purposes()).toEqual([])
    await apply(block(6), 4)
    expect(await purposes()).toEqual([])
    await apply(block(6), 5)
    expect(await purposes()).toEqual([1])
    await apply(block(7), 5, revoke(block(7)))
    expect(await purposes()).toEqual([])
  })

  it('does not skip what became final while the step in between failed', async () => {
    await apply(block(5), 2, grant(block(5)))
    broken = true
    await expect(apply(block(6), 5, grant(block(6), 2))).rejects.toThrow()
    broken = false
    expect((await sink.cursor())?.number).toBe(5)
    expect(await purposes()).toEqual([])
    await apply(block(6), 5)
    expect(await purposes()).toEqual([1])
  })

  it('is exactly what it was when blocks are undone, and what their replacement says after that', async () => {
    await apply(block(5), 5, register(block(5)), grant(block(5), 3))
    const before = await contents()
    await apply(block(6), 5, grant(block(6), 2), suspend(block(6)))
    await apply(block(7), 5, revoke(block(7)))
    expect(await purposes()).toEqual([])
    expect(await mirror.activeParties([clinic], 100)).toEqual(new Set())
    await sink.rollback(block(5))
    expect(await contents()).toEqual(before)
    expect(await purposes()).toEqual([3])
    expect(await mirror.activeParties([clinic], 100)).toEqual(new Set([clinic]))
    await apply(block(6, 1), 6, grant(block(6, 1), 4))
    expect(await purposes()).toEqual([4])
    expect(await sink.knownHash(6)).toBe(block(6, 1).hash)
    expect(await sink.knownHash(7)).toBeNull()
  })

  it('takes a revocation back with its block, but gives nothing that is not final', async () => {
    await apply(block(5), 4, grant(block(5), 1))
    await apply(block(6), 4, revoke(block(6)))
    await sink.rollback(block(5))
    expect(await purposes()).toEqual([])
    await apply(block(6, 1), 5)
    expect(await purposes()).toEqual([1])
  })

  it('keeps no more as final than there is after a rollback below it', async () => {
    await apply(block(5), 5, grant(block(5)))
    await sink.rollback(block(4))
    expect(await purposes()).toEqual([])
    await apply(block(5, 1), 4, grant(block(5, 1)))
    expect(await purposes()).toEqual([])
    await apply(block(6, 1), 5)
    expect(await purposes()).toEqual([1])
  })

  it('orders events of one block by their logs, and takes an event once', async () => {
    await apply(block(5), 5, revoke(block(5), 3), grant(block(5), 1, 4))
    expect(await purposes()).toEqual([1])
    await apply(block(6), 6, grant(block(6), 1, 1), revoke(block(6), 2))
    expect(await purposes()).toEqual([])
    await apply(block(6), 6, grant(block(6), 1, 1))
    expect(await purposes()).toEqual([])
  })

  it('reads who is active once until the next step, whether that is committed or not', async () => {
    const active = async () => (await mirror.activeParties([clinic, patient], 100)).has(clinic)
    await apply(block(5), 5, register(block(5)))
    const before = read
    expect([await active(), await active(), await active()]).toEqual([true, true, true])
    expect(read - before).toBe(1)
    broken = true
    await expect(apply(block(6), 5, suspend(block(6)))).rejects.toThrow()
    broken = false
    expect(await active()).toBe(true)
    await apply(block(6), 5, suspend(block(6)))
    expect([await active(), await active()]).toEqual([false, false])
  })

  it('does not remember who was active while a step was under way', async () => {
    await apply(block(5), 5, register(block(5)))
    const asked: Promise<Set<string>>[] = []
    meanwhile = async () => {
      asked.push(outside(() => mirror.activeParties([clinic], 100)))
      // PGlite has one session, which answers after the step
      await Promise.race([...asked, new Promise((resolve) => setTimeout(resolve, 50))])
    }
    await apply(block(6), 5, suspend(block(6)))
    meanwhile = async () => undefined
    await Promise.all(asked)
    expect(await mirror.activeParties([clinic], 100)).toEqual(new Set())
  })

  it('does not remember what was read before a step and came after it', async () => {
    await apply(block(5), 5, register(block(5)))
    const late = Promise.withResolvers<undefined>()
    delivered = late.promise
    const before = read
    const asked = mirror.activeParties([clinic], 100)
    await expect.poll(() => read).toBe(before + 1)
    await database.query('SELECT 1') // after the one that was sent
    await apply(block(6), 5, suspend(block(6)))
    delivered = Promise.resolve()
    late.resolve(undefined)
    expect(await asked).toEqual(new Set([clinic]))
    expect(await mirror.activeParties([clinic], 100)).toEqual(new Set())
  })

  it('knows the categories beyond 63 bits, and a party inside its validity alone', async () => {
    const all = 1n | (10n << 40n) | (1n << 80n) | ((2n ** 64n - 1n) << 112n)
    const args = { patient, grantee: clinic, label: labelId('general'), actions: 1, consent: all }
    await apply(block(5), 5, event(block(5), 'ConsentGranted', args), register(block(5)))
    expect((await mirror.words([patient], [clinic], 'read'))[0]?.categories).toBe(2n ** 64n - 1n)
    const limited = event(block(6), 'StatusChanged', { party: clinic, validFrom: 50, validTo: 60 }, 11)
    await apply(block(6), 6, { ...limited, name: 'ValidityChanged' })
    const active = async (now: number) => (await mirror.activeParties([clinic], now)).size
    expect([await active(49), await active(50), await active(59), await active(60)]).toEqual([0, 1, 1, 0])
  })
})

import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Anchors } from '../../src/records/anchors.js'
import { AuditLeaves } from '../../src/records/audit-leaves.js'
import { Outbox } from '../../src/records/outbox.js'
import { RecordStore } from '../../src/records/record-store.js'
import type { Unanchored, Waiting } from '../../src/records/anchors.js'
import { ENGINES, type OpenDatabase } from './open.js'
import { auditRecord, code, EVERYTHING, hex, index, next, version } from './versions.js'

describe.each(ENGINES)('what follows a commit, on $name', ({ open }) => {
  let opened: OpenDatabase
  let store: RecordStore
  beforeAll(async () => {
    opened = await open()
    store = new RecordStore(opened.database, index)
  })
  afterAll(() => opened.close())

  describe('outbox', () => {
    let now = 1_000_000
    const enqueue = (kind: string, keys: readonly string[], due?: number) =>
      store.commit({ outbox: keys.map((key) => ({ kind, key, payload: { key }, ...(due ? { due } : { due: now }) })) })

    it('gives each item to one worker, again after its lease, and never after it is done', async () => {
      const outbox = new Outbox(opened.database, () => now)
      await enqueue('a', ['1', '2', '3'])
      const both = await Promise.all([outbox.claim('a', 2, 1000), outbox.claim('a', 2, 1000)])
      expect(
        both
          .flat()
          .map(({ key }) => key)
          .sort(),
      ).toEqual(['1', '2', '3'])
      expect(await outbox.claim('a', 9, 1000)).toEqual([])

      const first = both.flat().find(({ key }) => key === '1')
      await outbox.complete([first?.id as bigint])
      now += 1000
      expect(await outbox.claim('a', 9, 1000)).toMatchObject([
        { key: '2', attempts: 2, payload: { key: '2' } },
        { key: '3', attempts: 2 },
      ])
      await enqueue('a', ['1'])
      expect(await outbox.waiting('a')).toBe(2)
    })

    it('waits with an item until it is due, and after a failure until it may be tried again', async () => {
      const outbox = new Outbox(opened.database, () => now)
      await enqueue('b', ['x'], now + 50)
      expect(await outbox.claim('b', 1, 1000)).toEqual([])
      now += 50
      const [item] = await outbox.claim('b', 1, 1000)
      await outbox.fail(item?.id as bigint, 'no chain', now + 10)
      expect(await outbox.claim('b', 1, 1000)).toEqual([])
      now += 10
      expect(await outbox.claim('b', 1, 1000)).toMatchObject([{ key: 'x', attempts: 2 }])
    })

    it('takes a name again once it has forgotten it', async () => {
      const outbox = new Outbox(opened.database, () => now)
      await enqueue('c', ['x'])
      await outbox.complete((await outbox.claim('c', 1, 1)).map(({ id }) => id))
      await outbox.prune(now)
      await enqueue('c', ['x'])
      expect(await outbox.waiting('c')).toBe(0)
      await outbox.prune(now + 1)
      await enqueue('c', ['x'])
      expect(await outbox.waiting('c')).toBe(1)
    })
  })

  describe('anchors', () => {
    const block = (number: number) => ({ transactionHash: hex(), blockNumber: number, blockHash: hex(), logIndex: 0 })

    it('takes each version into one batch and sends that until it stays on chain', async () => {
      const anchors = new Anchors(opened.database)
      const made = [version(), version(), version({ leaf: null }), version({ source: 'urn:b', leaf: null })]
      await store.commit({ versions: made })
      await store.commit({ versions: [next(made[0] as ReturnType<typeof version>)], audit: [auditRecord()] })
      const { queued, leaves: waiting } = await anchors.waiting(100)
      const mine = waiting.filter(({ id }) => made.some((one) => one.id === id))
      expect(mine.map(({ id, version: n }) => [id, n])).toEqual([
        [made[0]?.id, 1],
        [made[1]?.id, 1],
        [made[0]?.id, 2],
      ])

      const root = hex()
      await anchors.prepare({ root, manifest: hex(), queued, leaves: waiting })
      expect(await anchors.waiting(100)).toEqual({ queued: [], leaves: [] })
      await anchors.sent(root, hex())
      expect(await anchors.unconfirmed()).toMatchObject([{ root, count: waiting.length, block: null }])

      const seen = block(7)
      await opened.database.transaction(async (sql) => {
        expect(
          await anchors.confirmed(sql, [
            { root, ...seen },
            { root: hex(), ...block(7) },
          ]),
        ).toEqual([root])
      })
      expect(await anchors.unconfirmed()).toEqual([])
      const last = waiting.at(-1) as Unanchored
      expect(await anchors.ofVersions([last, version()])).toMatchObject([
        { leafIndex: waiting.length - 1, anchor: { root, block: { number: 7, hash: seen.blockHash } } },
        null,
      ])
      expect(await anchors.leaves(root)).toEqual(waiting.map(({ leaf }) => leaf))

      await opened.database.transaction((sql) => anchors.rollback(sql, 7))
      expect(await anchors.unconfirmed()).toEqual([])
      await opened.database.transaction((sql) => anchors.rollback(sql, 6))
      expect(await anchors.unconfirmed()).toMatchObject([{ root, block: null }])
      await opened.database.transaction((sql) => anchors.confirmed(sql, [{ root, ...block(8) }]))
    })

    it('prepares nothing when a version is in another batch', async () => {
      const anchors = new Anchors(opened.database)
      const batch = (waiting: Waiting) => ({ root: hex(), manifest: hex(), ...waiting })
      await store.commit({ versions: [version(), version()] })
      const first = await anchors.waiting(100)
      await store.commit({ versions: [version()] })
      const both = await anchors.waiting(100)
      expect(both.leaves).toHaveLength(3)
      await anchors.prepare(batch(first))
      await expect(anchors.prepare(batch(both))).rejects.toMatchObject({ kind: 'conflict' })
      const rest = { queued: both.queued.slice(1), leaves: both.leaves.slice(2) }
      expect(await anchors.waiting(100)).toEqual(rest)
      expect(await anchors.unconfirmed()).toHaveLength(1)
      await anchors.prepare(batch(rest))
    })

    it('fills batches with whole rows of the queue, of which a large commit has several', async () => {
      const anchors = new Anchors(opened.database)
      const large = Array.from({ length: 1_200 }, () => version())
      await store.commit({ versions: large })
      await store.commit({ versions: [version()] })
      const sizes: number[] = []
      const seen: string[] = []
      for (;;) {
        const waiting = await anchors.waiting(1_000)
        if (waiting.leaves.length === 0) break
        sizes.push(waiting.leaves.length)
        seen.push(...waiting.leaves.map(({ id }) => id))
        await anchors.prepare({ root: hex(), manifest: hex(), ...waiting })
      }
      expect(sizes).toEqual([1_000, 201])
      expect(seen.slice(0, 1_200)).toEqual(large.map(({ id }) => id))
      await store.commit({ versions: [version(), version()] })
      // As one of more than a batch would be.
      expect((await anchors.waiting(1)).leaves).toHaveLength(2)
    })
  })

  describe('audit leaves', () => {
    it('numbers committed leaves once, without a gap, whoever asks', async () => {
      const leaves = new AuditLeaves(opened.database)
      await leaves.sequence(10_000)
      const before = await leaves.size()
      const audit = Array.from({ length: 25 }, () => auditRecord())
      await Promise.all(audit.map((record) => store.commit({ audit: [record] })))
      const numbered = (await Promise.all([leaves.sequence(10), leaves.sequence(10), leaves.sequence(10)])).flat()
      expect(numbered.map((leaf) => leaf.index).sort((a, b) => a - b)).toEqual(audit.map((_, i) => before + i))
      expect(new Set(numbered.map(({ hash }) => Buffer.from(hash).toString('hex')))).toEqual(
        new Set(audit.map(({ auditLeaf }) => Buffer.from(auditLeaf.hash).toString('hex'))),
      )
      expect(await leaves.size()).toBe(before + 25)
      expect((await leaves.range(before + 3, before + 5)).map(({ index: n }) => n)).toEqual([before + 3, before + 4])
      const one = await leaves.leaf(audit[0] as Parameters<typeof leaves.leaf>[0])
      expect(one).toMatchObject({ hash: audit[0]?.auditLeaf.hash, salt: audit[0]?.auditLeaf.salt })
    })

    it('erases salt, body and index entries, and keeps the leaf', async () => {
      const leaves = new AuditLeaves(opened.database)
      const secret = randomUUID()
      const record = auditRecord({ values: [code('agent', undefined, secret)], salt: randomBytes(16) })
      await store.commit({ audit: [record] })
      const [{ index: number } = { index: -1 }] = await leaves.sequence(1)
      await leaves.erase(record)
      expect(await leaves.leaf(record)).toEqual({ index: number, hash: record.auditLeaf.hash, salt: null })
      expect(await store.read([record])).toMatchObject([{ body: null, salt: null, deleted: true }])
      const clauses = [{ is: 'filter' as const, param: 'agent', kind: 'token' as const, values: [{ code: secret }] }]
      expect((await store.match([{ type: 'AuditEvent', clauses }], EVERYTHING)).matches).toEqual([[]])
    })
  })
})

import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RecordStore } from '../../src/records/record-store.js'
import type { NewVersion } from '../../src/records/types.js'
import { ENGINES, type OpenDatabase } from './open.js'
import { code, EVERYTHING, index, next, version } from './versions.js'

/** What other writers do between two pages. */
const write = fc.record({
  kind: fc.constantFrom('create' as const, 'update' as const, 'delete' as const, 'hide' as const),
  /** Which resource, by place in the list. */
  target: fc.nat(1000),
  /** How long after the last write; 0 makes equal times, negative is a clock that runs behind. */
  later: fc.integer({ min: -3, max: 3 }),
})

describe.each(ENGINES)('paging on $name', ({ name, open }) => {
  let opened: OpenDatabase
  beforeAll(async () => {
    opened = await open()
  })
  afterAll(() => opened.close())

  it("shows every resource of the first page's snapshot once, whatever is written meanwhile", async () => {
    let run = 0
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 12 }),
        fc.integer({ min: 1, max: 4 }),
        fc.boolean(),
        fc.boolean(),
        fc.array(fc.array(write, { maxLength: 4 }), { maxLength: 8 }),
        async (size, count, ascending, byToken, rounds) => {
          const type = `Page${run++}`
          const store = new RecordStore(opened.database, index)
          const shown = code('code', undefined, 'shown')
          const current: NewVersion[] = []
          let clock = 1000
          const create = async (): Promise<void> => {
            const made = version({ type, lastUpdated: clock, values: [shown] })
            expect(await store.commit({ versions: [made] })).toEqual({ committed: true })
            current.push(made)
          }
          for (let i = 0; i < size; i++) {
            clock += i % 3 === 0 ? 1 : 0
            await create()
          }
          const inSnapshot = new Set(current.map(({ id }) => id))
          /** Changed so that it does not match any more, at some time. */
          const left = new Set<string>()

          const seen: string[] = []
          let cursor: string | undefined
          for (let page = 0; ; page++) {
            const result = await store.search(
              {
                type,
                clauses: byToken ? [{ is: 'filter', param: 'code', kind: 'token', values: [{ code: 'shown' }] }] : [],
                sort: [{ by: 'lastUpdated', param: '', descending: !ascending }],
                count,
                total: true,
                cursor,
              },
              EVERYTHING,
            )
            seen.push(...result.rows.map(({ id }) => id))
            // of the snapshot, what matches now
            expect(result.total).toBe([...inSnapshot].filter((id) => !left.has(id)).length)
            if (result.next === null) break
            cursor = result.next
            for (const { kind, target, later } of rounds[page] ?? []) {
              clock += later
              if (kind === 'create' || current.length === 0) {
                await create()
                continue
              }
              const at = target % current.length
              const before = current[at] as NewVersion
              if (left.has(before.id)) continue
              // without tokens nothing hides a resource but its deletion
              const goes = kind === 'delete' || (kind === 'hide' && byToken)
              if (goes) left.add(before.id)
              const after = next(before, {
                lastUpdated: clock,
                deleted: kind === 'delete',
                ...(kind === 'delete' ? {} : { values: goes ? [] : [shown] }),
              })
              expect(await store.commit({ versions: [after] })).toEqual({ committed: true })
              current[at] = after
            }
          }

          expect(new Set(seen).size).toBe(seen.length)
          for (const id of seen) expect(inSnapshot).toContain(id)
          for (const id of inSnapshot) if (!left.has(id)) expect(seen).toContain(id)
        },
      ),
      { numRuns: name === 'PGlite' ? 60 : 40 },
    )
  })
})

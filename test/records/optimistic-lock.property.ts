import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RecordStore } from '../../src/records/record-store.js'
import type { Change, NewVersion } from '../../src/records/types.js'
import { ENGINES, type OpenDatabase } from './open.js'
import { EVERYTHING, index, version } from './versions.js'

describe.each(ENGINES)('concurrent changes on $name', ({ name, open }) => {
  let opened: OpenDatabase
  beforeAll(async () => {
    opened = await open()
  })
  afterAll(() => opened.close())

  it('are whole, and as if one had come after the other', async () => {
    // each change: which of five resources it writes, from which version on, and through which of two stores
    const change = fc.record({
      store: fc.nat(1),
      writes: fc.uniqueArray(fc.record({ resource: fc.nat(4), version: fc.integer({ min: 1, max: 4 }) }), {
        minLength: 1,
        maxLength: 4,
        selector: ({ resource }) => resource,
      }),
    })
    let run = 0
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(change, { minLength: 1, maxLength: 6 }), { maxLength: 5 }), async (rounds) => {
        const type = `Lock${run++}`
        const stores = [0, 1].map(() => new RecordStore(opened.database, index))
        const committed: NewVersion[] = []
        for (const round of rounds) {
          const changes = round.map(({ writes }): Change => ({
            versions: writes.map(({ resource, version: n }) => version({ type, id: `r${resource}`, version: n })),
          }))
          const verdicts = await Promise.all(
            changes.map((one, i) => (stores[round[i]?.store ?? 0] as RecordStore).commit(one)),
          )
          verdicts.forEach((verdict, i) => {
            if (verdict.committed) committed.push(...(changes[i]?.versions ?? []))
            else expect(verdict.conflicts.length).toBeGreaterThan(0)
          })
        }
        // one winner per version, no version without the one before, and the rows are the winners' rows
        for (let resource = 0; resource < 5; resource++) {
          const ref = { type, id: `r${resource}` }
          const mine = committed.filter(({ id }) => id === ref.id).sort((a, b) => a.version - b.version)
          expect(mine.map((one) => one.version)).toEqual(mine.map((_, i) => i + 1))
          const { rows } = await (stores[0] as RecordStore).history({ ...ref, count: 10 }, EVERYTHING)
          expect(rows.map(({ cid }) => cid).reverse()).toEqual(mine.map(({ cid }) => cid))
        }
      }),
      { numRuns: name === 'PGlite' ? 40 : 30 },
    )
  })
})

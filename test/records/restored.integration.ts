import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RecordStore } from '../../src/records/record-store.js'
import { forgetForeignTransactions } from '../../src/records/restored.js'
import { ENGINES, type OpenDatabase } from './open.js'
import { EVERYTHING, index, version } from './versions.js'

describe.each(ENGINES)('rows from another cluster on $name', ({ open }) => {
  let opened: OpenDatabase
  beforeAll(async () => {
    opened = await open()
  })
  afterAll(() => opened.close())

  it('are paged and claimed like old ones', async () => {
    const { database } = opened
    const store = new RecordStore(database, index)
    const key = index.claim('Thing', 'x')
    const { snapshot } = await store.match([], EVERYTHING)
    await store.commit({
      versions: Array.from({ length: 3 }, () => version({ type: 'Thing' })),
      claims: [{ key, snapshot: snapshot || '1:1:' }],
    })
    const far = 10n ** 12n
    for (const table of ['resource', 'resource_version', 'claim'])
      await database.query(`UPDATE ${table} SET xid = $1`, [far])

    const query = { type: 'Thing', clauses: [], count: 2, total: true }
    const claim = async () => {
      const now = await store.search(query, EVERYTHING)
      return store.commit({ versions: [version()], claims: [{ key, snapshot: now.snapshot }] })
    }
    const second = async () => {
      const first = await store.search(query, EVERYTHING)
      return store.search({ ...query, cursor: first.next as string }, EVERYTHING)
    }
    expect([(await second()).rows.length, (await claim()).committed]).toEqual([0, false])
    await database.transaction(forgetForeignTransactions)
    expect([(await second()).rows.length, (await claim()).committed]).toEqual([1, true])
  })
})

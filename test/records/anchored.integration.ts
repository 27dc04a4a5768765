import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Anchored1763602500000 } from '../../migrations/1763602500000-anchored.js'
import { Anchors } from '../../src/records/anchors.js'
import { RecordStore } from '../../src/records/record-store.js'
import { ENGINES, type OpenDatabase } from './open.js'
import { hex, index, version } from './versions.js'

/** The rows as they were before: place and queue in the version itself. */
const BEFORE = [
  'DROP TABLE anchored',
  'DROP TABLE unanchored',
  'ALTER TABLE resource_version ADD anchor integer, ADD anchor_leaf integer',
  `CREATE INDEX resource_version_unanchored ON resource_version (resource_pk, version)
   WHERE leaf IS NOT NULL AND anchor IS NULL`,
  'CREATE INDEX resource_version_anchor ON resource_version (anchor, anchor_leaf) WHERE anchor IS NOT NULL',
]

describe.each(ENGINES)('versions that were anchored before places had a table, on $name', ({ open }) => {
  let opened: OpenDatabase
  beforeAll(async () => {
    opened = await open()
  })
  afterAll(() => opened.close())

  it('keep their batch and place, and those that waited still wait', async () => {
    const { database } = opened
    const store = new RecordStore(database, index)
    const made = Array.from({ length: 1_203 }, () => version())
    await store.commit({ versions: [...made, version({ leaf: null })] })
    for (const statement of BEFORE) await database.query(statement)
    const [later, sooner] = [hex(), hex()]
    const batch = async (root: string): Promise<number> => {
      const { rows } = await database.query<{ pk: number }>(
        `INSERT INTO anchor (root, manifest, count, prepared_at) VALUES ($1, $1, 2, 0) RETURNING pk`,
        [Buffer.from(root.slice(2), 'hex')],
      )
      return rows[0]?.pk as number
    }
    const place = (at: number, anchor: number, leaf: number) =>
      database.query(
        `UPDATE resource_version SET anchor = $2, anchor_leaf = $3 FROM resource r WHERE r.pk = resource_pk AND r.id = $1`,
        [made[at]?.id, anchor, leaf],
      )
    const first = await batch(sooner)
    await place(0, first, 1)
    await place(1, first, 0)
    await place(2, await batch(later), 0)

    const runner = database.dataSource.createQueryRunner()
    await new Anchored1763602500000().up(runner)
    await runner.release()

    const anchors = new Anchors(database)
    expect(await anchors.ofVersions(made.slice(0, 4))).toMatchObject([
      { leafIndex: 1, anchor: { root: sooner, count: 2 } },
      { leafIndex: 0, anchor: { root: sooner } },
      { leafIndex: 0, anchor: { root: later } },
      null,
    ])
    expect(await anchors.leaves(sooner)).toEqual([made[1]?.leaf, made[0]?.leaf])
    const waiting = await anchors.waiting(10_000)
    expect(waiting.queued).toHaveLength(3)
    expect(waiting.leaves.map(({ id }) => id)).toEqual(made.slice(3).map(({ id }) => id))
    await anchors.prepare({ root: hex(), manifest: hex(), ...waiting })
    expect((await anchors.waiting(10_000)).leaves).toEqual([])
  })
})

import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { ForeignBlocks1763600500000 } from '../../migrations/1763600500000-foreign-blocks.js'
import type { Sealed } from '../../src/vault/seal.js'
import { ENGINES, type OpenDatabase } from '../records/open.js'
import { observation, TwoHospitals } from './two-hospitals.js'

let engine: OpenDatabase
let world: TwoHospitals
beforeAll(async () => {
  engine = await (ENGINES[0] as (typeof ENGINES)[number]).open()
})
afterAll(() => engine.close())
beforeEach(async () => {
  world = await TwoHospitals.open(engine.database)
})
afterEach(() => world.close())

const large = (id: string) => observation(id, 1, { note: [{ text: randomBytes(300_000).toString('base64') }] })
const cidsOf = ({ blocks }: Sealed): string[] => blocks.map(({ cid }) => cid)

it('knows after its migration what was imported before it, chunks after the next round', async () => {
  await world.grant()
  const [sealed] = await world.publish([{ id: 'large', resource: large('large') }])
  expect(await world.work()).toEqual({ imported: 1, refused: 0 })
  const { database } = world
  await database.query('DROP TABLE foreign_block')
  const runner = database.dataSource.createQueryRunner()
  await new ForeignBlocks1763600500000().up(runner).finally(() => runner.release())
  expect(await world.count('foreign_block')).toBe(1)
  const rows = [await world.count('resource'), await world.count('resource_version')]
  await world.work()
  expect([await world.count('resource'), await world.count('resource_version')]).toEqual(rows)
  expect(await world.count('foreign_block')).toBe(cidsOf(sealed as Sealed).length)
  await world.revoke()
  await world.work()
  expect(await world.blocks.has(cidsOf(sealed as Sealed))).toEqual(new Set())
})

it('keeps of what was refused nothing, neither block nor name', async () => {
  await world.grant()
  const resource = { ...large('bad'), status: 'nonsense' }
  const [sealed] = await world.publish([{ id: 'bad', resource }])
  expect(await world.work()).toEqual({ imported: 0, refused: 1 })
  expect(await world.blocks.has(cidsOf(sealed as Sealed))).toEqual(new Set())
  expect(await world.count('foreign_block')).toBe(0)
})

it('has written the names down before the blocks are there', async () => {
  await world.grant()
  const [sealed] = await world.publish([{ id: 'large', resource: large('large') }])
  const put = world.blocks.put.bind(world.blocks)
  let named = 0
  world.blocks.put = async (blocks) => {
    named = await world.count('foreign_block')
    await put(blocks)
  }
  await world.work()
  expect(named).toBe(cidsOf(sealed as Sealed).length)
})

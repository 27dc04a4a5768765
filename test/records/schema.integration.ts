import { describe, expect, it } from 'vitest'
import { ENGINES } from './open.js'

describe.each(ENGINES)('the schema on $name', ({ open }) => {
  it('is the same in the migrations and in the entities', async () => {
    const { database, close } = await open()
    const wanted = await database.dataSource.driver.createSchemaBuilder().log()
    expect(wanted.upQueries.map(({ query }) => query)).toEqual([])
    await close()
  })
})

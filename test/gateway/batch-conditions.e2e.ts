import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConsentGateway, observation } from './consent-gateway.js'

/*
 * Entries of a batch are requests of their own, carried out beside each other. What a condition finds is asked when its entry is carried out: an
 * entry before it, or another client, may have made it by then.
 */
let gateway: ConsentGateway
let patient: string
const SYSTEM = 'urn:batch'
beforeAll(async () => {
  gateway = await ConsentGateway.shared()
  patient = await gateway.create({ resourceType: 'Patient' })
})
afterAll(() => gateway?.close())

const named = (value: string, more: object = {}) =>
  observation(patient, { identifier: [{ system: SYSTEM, value }], ...more })
const where = (value: string) => `identifier=${SYSTEM}|${value}`
const created = (value: string) => ({
  request: { method: 'POST', url: 'Observation', ifNoneExist: where(value) },
  resource: named(value),
})
const updated = (value: string, more: object = {}) => ({
  request: { method: 'PUT', url: `Observation?${where(value)}` },
  resource: named(value, more),
})
const removed = (value: string) => ({ request: { method: 'DELETE', url: `Observation?${where(value)}` } })
const patched = (value: string, status: string) => ({
  request: { method: 'PATCH', url: `Observation?${where(value)}` },
  resource: {
    resourceType: 'Parameters',
    parameter: [
      {
        name: 'operation',
        part: [
          { name: 'type', valueCode: 'replace' },
          { name: 'path', valueString: 'Observation.status' },
          { name: 'value', valueCode: status },
        ],
      },
    ],
  },
})
const count = async (value: string): Promise<number> =>
  (await gateway.ask('GET', `/Observation?${where(value)}&_summary=count`)).body.total as number
async function batch(...entry: object[]): Promise<number[]> {
  const { status, body, text } = await gateway.ask('POST', '', { resourceType: 'Bundle', type: 'batch', entry })
  expect(status, text).toBe(200)
  return body.entry.map(({ response }: { response: { status: string } }) => Number.parseInt(response.status, 10))
}
const twelve = <T>(make: () => T): T[] => Array.from({ length: 12 }, make)

describe('of one condition in a batch', () => {
  it('many creations make one resource', async () => {
    const value = randomUUID()
    expect((await batch(...twelve(() => created(value)))).toSorted()).toEqual([...Array(11).fill(200), 201])
    expect(await count(value)).toBe(1)
  })

  it('many creations make one resource, however each of them spells it', async () => {
    const value = randomUUID()
    const [one, final] = [where(value), 'status=final']
    const spelled = [`${one}&${final}`, `${final}&${one}`, `${one.replace('|', '%7C')}&${final}`]
    const entries = twelve(() => spelled)
      .flat()
      .map((ifNoneExist) => ({ ...created(value), request: { method: 'POST', url: 'Observation', ifNoneExist } }))
    expect((await batch(...entries)).toSorted()).toEqual([...Array(35).fill(200), 201])
    expect(await count(value)).toBe(1)
  })

  it('many updates make one resource, and change it from then on', async () => {
    const value = randomUUID()
    expect((await batch(...twelve(() => updated(value)))).toSorted()).toEqual([...Array(11).fill(200), 201])
    expect(await count(value)).toBe(1)
  })

  it('creations and updates make one resource', async () => {
    const value = randomUUID()
    const entries = twelve(() => [created(value), updated(value)]).flat()
    expect((await batch(...entries)).filter((status) => status === 201)).toHaveLength(1)
    expect(await count(value)).toBe(1)
  })

  it('updates of several batches at one moment make one resource', async () => {
    const value = randomUUID()
    await Promise.all(twelve(() => batch(updated(value), updated(value))))
    expect(await count(value)).toBe(1)
  })

  it('a change finds what an entry before it has made, and a deletion what is still so', async () => {
    const value = randomUUID()
    expect(await batch(patched(value, 'amended'), created(value))).toEqual([200, 201])
    const found = await gateway.ask('GET', `/Observation?${where(value)}`)
    expect(found.body.entry[0].resource.status).toBe('amended')
    expect(await batch(removed(value), removed(value), updated(value))).toEqual([204, 204, 201])
    expect(await count(value)).toBe(1)
  })

  it('what is wrong with it is told in its entry', async () => {
    const value = randomUUID()
    await batch(
      { ...created(value), request: { method: 'POST', url: 'Observation' } },
      { ...created(value), request: { method: 'POST', url: 'Observation' } },
    )
    const nonsense = { request: { method: 'DELETE', url: 'Observation?nonsense=1' } }
    const everything = { request: { method: 'PUT', url: 'Observation?_summary=true' }, resource: named(value) }
    expect(
      await batch(
        updated(value),
        patched(value, 'final'),
        removed(value),
        created(value),
        nonsense,
        everything,
        created(randomUUID()),
      ),
    ).toEqual([412, 412, 412, 412, 400, expect.toBeOneOf([400, 412]), 201])
    expect(await count(value)).toBe(2)
  })
})

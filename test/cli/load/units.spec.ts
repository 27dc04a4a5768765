import { describe, expect, it } from 'vitest'
import { parseJson } from '../../../src/fhir/json.js'
import type { Source } from '../../../src/cli/load/sources.js'
import { bodyOf, LOAD_TAG, type Unit, unitsOf } from '../../../src/cli/load/units.js'

const source = (kind: Source['kind'], hash = 'ab'): Source => ({ path: `x.${kind}`, kind, hash, rank: 1 })
const units = (kind: Source['kind'], text: string, hash?: string) => [...unitsOf(source(kind, hash), Buffer.from(text))]
const bundle = (type: string, ...entry: object[]) => JSON.stringify({ resourceType: 'Bundle', type, entry })
const post = (resource: object, more = {}) => ({ resource, request: { method: 'POST', url: 'Observation', ...more } })

describe('a transaction', () => {
  it('is sent as it is, but for the tag of its first create, decimals included', () => {
    const text = bundle(
      'transaction',
      post({ resourceType: 'Observation', v: 0 }),
      post({ resourceType: 'Observation' }),
    )
    const [unit] = units('json', text.replace('"v":0', '"v":1.50')) as [Unit]
    const first = { resourceType: 'Observation', meta: { tag: [{ system: LOAD_TAG, code: unit.key }] }, v: 0 }
    const expected = bundle('transaction', post(first), post({ resourceType: 'Observation' }))
    expect(bodyOf(unit)).toBe(expected.replace('"v":0', '"v":1.50'))
    expect(unit.marker).toBe(`Observation?_tag=${encodeURIComponent(`${LOAD_TAG}|${unit.key}`)}`)
    expect(unit.resources).toBe(2)
  })

  it('can be sent twice when it creates nothing blindly', () => {
    const put = { resource: { resourceType: 'Patient', id: 'p' }, request: { method: 'PUT', url: 'Patient/p' } }
    const conditional = post({ resourceType: 'Observation' }, { ifNoneExist: 'identifier=1' })
    const [unit] = units('json', bundle('transaction', put, conditional)) as [Unit]
    expect(unit.marker).toBeNull()
    expect(bodyOf(unit)).toBe(bundle('transaction', put, conditional))
  })

  it('is named by the content of its file', () => {
    const text = bundle('transaction')
    const keys = [units('json', text, 'ab'), units('json', text, 'ab'), units('json', text, 'cd')].map(
      ([unit]) => (unit as Unit).key,
    )
    expect(keys[0]).toBe(keys[1])
    expect(keys[0]).not.toBe(keys[2])
  })
})

it('lets each create of a batch ask whether it happened', () => {
  const [unit] = units(
    'json',
    bundle('batch', post({ resourceType: 'Observation' }), post({ resourceType: 'Observation' })),
  ) as [Unit]
  const conditions = unit.bundle.entry?.map(({ request }) => request?.ifNoneExist)
  expect(conditions).toEqual([0, 1].map((i) => `_tag=${encodeURIComponent(`${LOAD_TAG}|${unit.key}-${i}`)}`))
})

it('makes PUTs of a collection, and keeps what its urn:uuid references name', () => {
  const text = bundle(
    'collection',
    { fullUrl: 'urn:uuid:1', resource: { resourceType: 'Patient', id: 'p' } },
    {
      fullUrl: 'http://x/Observation/o',
      resource: { resourceType: 'Observation', subject: { reference: 'urn:uuid:1' } },
    },
  )
  const [unit] = units('json', text) as [Unit]
  expect(unit.bundle.type).toBe('transaction')
  expect(unit.bundle.entry?.map(({ fullUrl, request }) => [fullUrl, request?.method, request?.url])).toEqual([
    ['urn:uuid:1', 'PUT', 'Patient/p'],
    [undefined, 'POST', 'Observation'],
  ])
})

describe('ndjson', () => {
  const line = (id: number, patient: string) =>
    JSON.stringify({ resourceType: 'Observation', id: `o${id}`, subject: { reference: `Patient/${patient}` } })

  it('is grouped by patient, in transactions of 200 at most, every line once', () => {
    const lines = Array.from({ length: 900 }, (_, i) => line(i, i % 3 === 0 ? 'many' : `p${i % 100}`))
    const made = units('ndjson', `${lines.join('\n\n')}\n`) as Unit[]
    const ids = made.flatMap(({ bundle: { entry = [] } }) => entry.map(({ resource }) => resource?.id))
    expect(new Set(ids).size).toBe(900)
    expect(ids.length).toBe(900)
    for (const { resources } of made) expect(resources).toBeLessThanOrEqual(200)
    const holding = (patient: string) =>
      made.filter(({ bundle }) =>
        bundle.entry?.some(({ resource }) => JSON.stringify(resource).includes(`/${patient}"`)),
      )
    expect(holding('p7')).toHaveLength(1)
    expect(holding('many')).toHaveLength(2)
  })

  it('names the line that is no resource and goes on', () => {
    const made = units('ndjson', `${line(1, 'a')}\n{"a":1}\n{oops\n${line(2, 'a')}`)
    const unusable = made.filter((one) => 'reason' in one)
    expect(unusable.map(({ file }) => file)).toEqual(['x.ndjson:2', 'x.ndjson:3'])
    expect(made.filter((one) => !('reason' in one)).map((one) => (one as Unit).resources)).toEqual([2])
  })
})

it('says what kind of Bundle cannot be loaded', () => {
  expect(units('json', bundle('history'))).toEqual([
    { file: 'x.json', reason: 'A Bundle of type history holds nothing that can be loaded.' },
  ])
  expect(units('json', '[]')).toEqual([expect.objectContaining({ file: 'x.json' })])
  expect(parseJson(bodyOf(units('json', '{"resourceType":"Patient","id":"p"}')[0] as Unit))).toMatchObject({
    entry: [{ request: { method: 'PUT', url: 'Patient/p' } }],
  })
})

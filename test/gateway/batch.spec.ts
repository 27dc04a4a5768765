import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, describe, expect, it } from 'vitest'
import { planBundle, resolveBundle } from '../../src/fhir/bundle.js'
import { batch } from '../../src/gateway/batch.js'
import type { FhirInteractions, InteractionRequest } from '../../src/gateway/interaction.js'
import { request, Stage } from './stage.js'

const base = request.baseUrl
/** What was asked for in the order of its beginning, what ended, and how many were under way at most. */
let begun: string[]
let ended: string[]
let atOnce: number
let underWay: number
beforeEach(() => {
  ;[begun, ended, atOnce, underWay] = [[], [], 0, 0]
})

async function handler({ method, type, id, body }: InteractionRequest) {
  const { status = '' } = (body === undefined ? {} : JSON.parse(Buffer.from(body).toString())) as {
    status?: string
  }
  const name = [method, `${type}${id === undefined ? '' : `/${id}`}`, ...(status ? [status] : [])].join(' ')
  begun.push(name)
  atOnce = Math.max(atOnce, ++underWay)
  // The later it comes the sooner it is done, if nothing makes it wait.
  await sleep(20 - Math.min(begun.length, 18))
  underWay--
  ended.push(name)
  return { status: 200, headers: {}, body: { resourceType: 'OperationOutcome', id: name } }
}
const interactions = new Proxy({} as FhirInteractions, { get: () => handler })

async function carriedOut(entry: readonly object[]): Promise<string[]> {
  const plan = planBundle({ resourceType: 'Bundle', type: 'batch', entry }, { base })
  const { body } = await batch(
    new Stage().parts,
    request,
    resolveBundle(plan, new Map(), { base }),
    interactions,
    new Map(),
  )
  const { entry: answers } = JSON.parse(Buffer.from(body as Uint8Array).toString()) as {
    entry: { resource?: { id: string }; response: { status: string } }[]
  }
  return answers.map(({ resource }) => resource?.id ?? '')
}

const put = (id: string, status: string) => ({
  request: { method: 'PUT', url: `Observation/${id}` },
  resource: { resourceType: 'Observation', id, status },
})
const get = (id: string) => ({ request: { method: 'GET', url: `Observation/${id}` } })

describe('the entries of a batch', () => {
  it('are carried out beside each other, eight at a time, and answered at their places', async () => {
    const ids = Array.from({ length: 30 }, (_, n) => `o${n}`)
    expect(await carriedOut(ids.map(get))).toEqual(ids.map((id) => `GET Observation/${id}`))
    expect(atOnce).toBe(8)
  })

  it('are answered without a body for HEAD', async () => {
    expect(await carriedOut([{ request: { method: 'HEAD', url: 'Observation/h' } }, get('g')])).toEqual([
      '',
      'GET Observation/g',
    ])
  })

  it('wait for those of the methods before: DELETE, POST, PUT and PATCH, GET', async () => {
    const rank = { DELETE: 0, POST: 1, PUT: 2, GET: 3 }
    const post = { request: { method: 'POST', url: 'Observation' }, resource: { resourceType: 'Observation' } }
    const remove = (id: string) => ({ request: { method: 'DELETE', url: `Observation/${id}` } })
    await carriedOut([get('a'), put('b', 'final'), post, remove('c'), get('d'), remove('e'), post, put('f', 'final')])
    const ranks = (names: string[]) => names.map((name) => rank[name.split(' ')[0] as keyof typeof rank])
    expect(ranks(begun)).toEqual([0, 0, 1, 1, 2, 2, 3, 3])
    expect(ranks(ended)).toEqual([0, 0, 1, 1, 2, 2, 3, 3])
  })

  it('keep their order where they change one resource', async () => {
    await carriedOut(
      ['registered', 'preliminary', 'final'].flatMap((status) => [put('one', status), put('two', status)]),
    )
    for (const id of ['one', 'two']) {
      const of = `PUT Observation/${id}`
      expect(ended.filter((name) => name.startsWith(of))).toEqual([
        `${of} registered`,
        `${of} preliminary`,
        `${of} final`,
      ])
    }
    expect(atOnce).toBe(2)
  })

  it('keep their order where a condition may find what another has made', async () => {
    const created = (status: string) => ({
      request: { method: 'POST', url: 'Observation', ifNoneExist: 'identifier=x' },
      resource: { resourceType: 'Observation', status },
    })
    await carriedOut([created('registered'), created('final')])
    expect(ended.map((name) => name.split(' ').at(-1))).toEqual(['registered', 'final'])
    expect(atOnce).toBe(1)
  })

  it('are carried out beside each other where their conditions are different', async () => {
    const entries = Array.from({ length: 30 }, (_, n) => ({
      request: { method: 'POST', url: 'Observation', ifNoneExist: `identifier=${n}` },
      resource: { resourceType: 'Observation', status: 'final' },
    }))
    await carriedOut(entries)
    expect(atOnce).toBe(8)
  })
})

import { setImmediate } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { parseJson } from '../../src/fhir/json.js'
import { ownProfiles } from '../../src/fhir/profiles.js'
import { fhirXml } from '../../src/fhir/xml.js'
import { CheckingThread, LARGE_BODY } from '../../src/gateway/checking.js'
import { Conformance } from '../../src/gateway/conformance.js'
import { bundleOf, resourceOf } from '../../src/gateway/input.js'
import type { InteractionRequest } from '../../src/gateway/interaction.js'
import type { GatewayParts } from '../../src/gateway/parts.js'
import { built } from '../support/built.js'
import { request } from './stage.js'

/** The real thread, compiled as it runs. */
let checking: CheckingThread
beforeAll(() => {
  const script = new URL(`file://${built('gateway/checking-thread.js')}`)
  checking = new CheckingThread({ timeoutMs: 60_000, waiting: 64 }, script)
})
afterAll(() => checking.close())

const partsWith = (thread: CheckingThread | null) =>
  ({ conformance: new Conformance(ownProfiles(), null, null, thread) }) as unknown as GatewayParts // what reading a body uses

const asked = (body: object | string): InteractionRequest => ({
  ...request,
  method: 'POST',
  body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
})

/** Some megabytes of answers, of which the last has no linkId where it is said to be bad. */
function response(items: number, bad = false): object {
  const item = Array.from({ length: items }, (_, i) => ({
    linkId: String(i),
    text: 'How often in the last four weeks?',
    answer: [
      { valueDecimal: 1.5 },
      { valueReference: { reference: `${request.baseUrl}/Patient/1` } },
      { valueString: 'x'.repeat(60) },
    ],
  }))
  const last = item.at(-1) as { linkId?: string }
  if (bad) delete last.linkId
  return { resourceType: 'QuestionnaireResponse', status: 'completed', item }
}

const entry = (resource: object) => ({ resource, request: { method: 'POST', url: 'QuestionnaireResponse' } })
const bundle = (type: string, ...resources: object[]) => ({ resourceType: 'Bundle', type, entry: resources.map(entry) })

/** How a body is taken: the resource, or what is said of it. */
async function taken(thread: CheckingThread | null, body: object | string, type: string): Promise<unknown> {
  const read = async () => {
    if (type !== 'Bundle') return JSON.stringify(await resourceOf(partsWith(thread), asked(body), type))
    const received = await bundleOf(partsWith(thread), asked(body))
    const refused = Array.from(received.refused, ([i, { kind, message, issues }]) => [i, kind, message, issues])
    return [JSON.stringify(received.bundle), refused]
  }
  return read().catch(({ kind, message, issues }) => ({ kind, message, issues }))
}

/** Milliseconds of this thread's processor time. */
function processorMs(work: () => unknown): number {
  const before = process.threadCpuUsage()
  work()
  const { user, system } = process.threadCpuUsage(before)
  return (user + system) / 1000
}

describe('a large body', () => {
  it.each([
    ['a valid resource', response(500), 'QuestionnaireResponse'],
    [
      'numbers as they were written',
      JSON.stringify(response(500)).replaceAll('1.5}', '1.50}'),
      'QuestionnaireResponse',
    ],
    ['an invalid resource', response(500, true), 'QuestionnaireResponse'],
    ['a resource of another type', response(500), 'Observation'],
    ['what is no JSON', JSON.stringify(response(500)).slice(0, -1), 'QuestionnaireResponse'],
    ['a list', JSON.stringify([response(500)]), 'QuestionnaireResponse'],
    ['a transaction', bundle('transaction', response(300), response(300)), 'Bundle'],
    ['an invalid transaction', bundle('transaction', response(300), response(300, true)), 'Bundle'],
    ['a batch with an invalid resource', bundle('batch', response(300, true), response(300)), 'Bundle'],
  ])('is taken in a thread as it is without: %s', async (_, body, type) => {
    expect(asked(body).body?.length).toBeGreaterThan(LARGE_BODY)
    const there = await taken(checking, body, type)
    expect(there).toEqual(await taken(null, body, type))
    expect(JSON.stringify(there).length).toBeGreaterThan(100)
  })

  it('is judged by $validate in the thread as it is without', async () => {
    for (const bad of [false, true]) {
      const there = await partsWith(checking).conformance.validate(response(500, bad), [])
      expect(there).toEqual(await partsWith(null).conformance.validate(response(500, bad), []))
      expect(there.some(({ severity }) => severity === 'error')).toBe(bad)
    }
  })

  it('that a patch has made is checked in the thread as it is without', async () => {
    expect(await partsWith(checking).conformance.valid(response(500))).toEqual(response(500))
    const refused = { kind: 'malformed', issues: [{ expression: ['QuestionnaireResponse.item[499].linkId'] }] }
    await expect(partsWith(checking).conformance.valid(response(500, true))).rejects.toMatchObject(refused)
    await expect(partsWith(null).conformance.valid(response(500, true))).rejects.toMatchObject(refused)
  })

  it('lets others go on while it is checked', async () => {
    const { body } = asked(response(20_000))
    let turns = 0
    let done = false
    const delay = monitorEventLoopDelay({ resolution: 1 })
    const check = checking.resource(body as Uint8Array, request.baseUrl).finally(() => (done = true))
    await setImmediate()
    delay.enable()
    for (; !done; turns++) await setImmediate()
    delay.disable()
    await check
    const megabytes = ((body as Uint8Array).length / 2 ** 20).toFixed(1)
    process.stdout.write(`${megabytes} MB: held the event loop for at most ${Math.round(delay.max / 1e6)} ms\n`)
    expect(turns).toBeGreaterThan(20)
    // here it would be one turn, however fast the machine
    const begun = performance.now()
    parseJson(body as Uint8Array)
    process.stdout.write(`parsing it takes ${Math.round(performance.now() - begun)} ms\n`)
  })

  it('is parsed piece by piece, and none of its turns takes half of what parsing it at once does', async () => {
    // without references of ours, which are looked for in one go
    const text = JSON.stringify(response(20_000)).replaceAll(request.baseUrl, 'http://elsewhere.example/fhir')
    const bytes = asked(text)
    const atOnce = processorMs(() => parseJson(bytes.body as Uint8Array))
    // of the processor: the machine may be busy with others
    let longest = 0
    let last = process.threadCpuUsage()
    let done = false
    const taken = resourceOf(partsWith(checking), bytes, 'QuestionnaireResponse').finally(() => (done = true))
    while (!done) {
      await setImmediate()
      const { user, system } = process.threadCpuUsage(last)
      last = process.threadCpuUsage()
      longest = Math.max(longest, (user + system) / 1000)
    }
    process.stdout.write(`at once ${Math.round(atOnce)} ms, in turns ${Math.round(longest)} ms at most\n`)
    expect(longest).toBeLessThan(atOnce / 2)
    expect(JSON.stringify(await taken)).toBe(text)
  })

  it('of XML is read in the thread as it is without, and refused alike', async () => {
    const json = JSON.stringify(response(500)).replaceAll('1.5}', '1.50}')
    const xml = Buffer.from(fhirXml.fromJson(Buffer.from(json), false))
    expect(Buffer.from(await checking.json(xml)).toString()).toBe(json)
    expect(Buffer.from(fhirXml.toJson(xml)).toString()).toBe(json)
    const broken = xml.subarray(0, -3)
    const refusal = await checking.json(broken).catch(({ kind, message }) => ({ kind, message }))
    expect(refusal).toMatchObject({ kind: 'malformed' })
    expect(() => fhirXml.toJson(broken)).toThrow((refusal as { message: string }).message)
  })

  it('is refused in the thread before anything of it is parsed here', async () => {
    const { body } = asked(response(2_000, true))
    await expect(checking.resource(body as Uint8Array, request.baseUrl)).rejects.toMatchObject({
      kind: 'malformed',
      issues: [{ code: 'required', expression: ['QuestionnaireResponse.item[1999].linkId'] }],
    })
  })
})

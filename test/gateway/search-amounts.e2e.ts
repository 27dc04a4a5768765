import { afterAll, beforeAll, expect, it } from 'vitest'
import { ConsentGateway } from './consent-gateway.js'

/** "One search = a fixed number of queries however many results": what one result takes, and what a hundred of twenty patients take. */
let gateway: ConsentGateway
const MANY = 100
const PATIENTS = 20
const REPEATED = 9

const tag = (code: string) => ({ tag: [{ system: 'urn:amount', code }] })
const of = (reference: string) => ({ reference })

/** Observations with an Encounter each, of as many patients; `mark` is their tag and the beginning of every id. */
function records(mark: string, observations: number, patients: number): object {
  const put = (resourceType: string, id: string, elements: object) => ({
    request: { method: 'PUT', url: `${resourceType}/${id}` },
    resource: { resourceType, id, meta: tag(mark), ...elements },
  })
  const patient = (i: number): string => `${mark}-p${i % patients}`
  const each = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i))
  const entry = [
    ...each(patients, (i) => put('Patient', patient(i), { name: [{ family: `${mark}ish` }] })),
    ...each(observations, (i) =>
      put('Encounter', `${mark}-e${i}`, {
        status: 'finished',
        class: { code: 'AMB' },
        subject: of(`Patient/${patient(i)}`),
      }),
    ),
    ...each(observations, (i) =>
      put('Observation', `${mark}-o${i}`, {
        status: 'final',
        code: { coding: [{ system: 'http://loinc.org', code: '718-7' }] },
        subject: of(`Patient/${patient(i)}`),
        encounter: of(`Encounter/${mark}-e${i}`),
        effectiveDateTime: `2024-01-${String((i % 28) + 1).padStart(2, '0')}`,
        valueQuantity: { value: i, unit: 'g/dL', system: 'http://unitsofmeasure.org', code: 'g/dL' },
      }),
    ),
  ]
  return { resourceType: 'Bundle', type: 'transaction', entry }
}

beforeAll(async () => {
  const counting = new URL('../support/count-statements.mjs', import.meta.url)
  gateway = await ConsentGateway.open({
    EMBEDDED_PROXIES: '0',
    MAX_COUNTED: String(MANY),
    NODE_OPTIONS: `--import=${counting.href}`,
  })
  for (const bundle of [records('few', 1, 1), records('many', MANY, PATIENTS)]) {
    const { status, text } = await gateway.ask('POST', '', bundle)
    expect(status, text).toBe(200)
  }
}, 300_000)
afterAll(() => gateway.close())

interface Bundle {
  readonly entry?: readonly { readonly search: { readonly mode: string } }[]
  readonly link: readonly { readonly relation: string; readonly url: string }[]
}

/**
 * The median of several times: commits of several go together, so that a statement may be counted at another request or, after a load, at
 * the gateway's own work.
 */
async function statements(path: string): Promise<{ sent: number; matches: number; includes: number; body: Bundle }> {
  const answers = []
  for (let i = 0; i < REPEATED; i++) answers.push(await gateway.ask('GET', path))
  for (const { status, text } of answers) expect(status, text).toBe(200)
  const body = answers[0]?.body as Bundle
  const modes = (body.entry ?? []).map(({ search }) => search.mode)
  const includes = modes.filter((mode) => mode === 'include').length
  const counts = answers.map(({ headers }) => Number(headers.get('x-statements')))
  const sent = counts.toSorted((a, b) => a - b)[REPEATED >> 1] as number
  return { sent, matches: modes.length - includes, includes, body }
}

it.each([
  ['/Observation?_tag=MARK', MANY, 0],
  ['/Observation?_tag=MARK&code=http://loinc.org|718-7&date=ge2024&value-quantity=ge0', MANY, 0],
  ['/Observation?_tag=MARK&_sort=-date,_id', MANY, 0],
  ['/Observation?_tag=MARK&_total=none&_elements=status', MANY, 0],
  ['/Observation?_tag=MARK&_include=Observation:encounter&_include=Observation:patient', MANY, MANY + PATIENTS],
  ['/Patient?_tag=MARK&_revinclude=Observation:patient&_include:iterate=Observation:encounter', PATIENTS, 2 * MANY],
  ['/Observation?subject:Patient.family=MARK', MANY, 0],
  ['/Patient?_has:Observation:patient:_tag=MARK', PATIENTS, 0],
  ['/Observation?_tag=MARK&encounter.subject:Patient._tag=MARK&_include=*', MANY, MANY + PATIENTS],
  ['/?_type=Observation,Encounter&_tag=MARK', 2 * MANY, 0],
])('%s', async (path, matches, includes) => {
  const asked = (mark: string) => statements(`${path.replaceAll('MARK', mark)}&_count=500`)
  const [few, many] = [await asked('few'), await asked('many')]
  expect(few.matches).toBeGreaterThan(0)
  expect(few.matches).toBeLessThan(3)
  expect([many.matches, many.includes]).toEqual([matches, includes])
  expect(few.sent).toBeGreaterThan(0)
  expect(many.sent).toBe(few.sent)
})

it('a later page, whatever its size', async () => {
  const later = async (count: number) => {
    const { body } = await statements(`/Observation?_tag=many&_include=Observation:encounter&_count=${count}`)
    const next = body.link.find(({ relation }) => relation === 'next')?.url ?? ''
    return statements(next)
  }
  const [few, many] = [await later(1), await later(50)]
  expect([few.matches, many.matches]).toEqual([1, 50])
  expect(many.sent).toBe(few.sent)
})

it('tells a total of MAX_COUNTED at most, unless it is asked for', async () => {
  const total = async (path: string) => (await gateway.ask('GET', path)).body.total as number | undefined
  expect(await total('/Observation?_tag=many&_count=1')).toBe(MANY)
  const more = '/?_type=Observation,Encounter&_tag=many'
  expect(await total(`${more}&_count=1`)).toBeUndefined()
  expect(await total(`${more}&_count=1&_total=accurate`)).toBe(2 * MANY)
  expect(await total(`${more}&_count=1&_total=none`)).toBeUndefined()
  expect(await total(`${more}&_summary=count`)).toBe(2 * MANY)
  expect(await total(`${more}&_count=0`)).toBe(2 * MANY)
})

import { afterEach, describe, expect, it } from 'vitest'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { ownProfiles } from '../../src/fhir/profiles.js'
import type { ValidResource } from '../../src/fhir/types.js'
import { Conformance } from '../../src/gateway/conformance.js'
import { JudgingThread } from '../../src/gateway/judging.js'
import type { TurnLimits } from '../../src/gateway/thread-turns.js'
import { built } from '../support/built.js'

/** The real thread, compiled as it runs. */
let thread: JudgingThread

function start(limits: Partial<TurnLimits> = {}): JudgingThread {
  const script = new URL(`file://${built('gateway/judging-thread.js')}`)
  const data = { packages: null, options: {} }
  thread = new JudgingThread(data, { timeoutMs: 30_000, waiting: 64, ...limits }, script)
  return thread
}

afterEach(() => thread.close())

/** Blood pressures with many components, of which the last has a unit that vital signs do not have. */
function pressure(components: number, unit: string): ValidResource {
  const component = (code: string): object => ({
    code: { coding: [{ system: 'http://loinc.org', code }] },
    valueQuantity: { value: 1, unit: 'x', system: 'http://unitsofmeasure.org', code: unit },
  })
  return {
    resourceType: 'Observation',
    meta: { profile: ['http://hl7.org/fhir/StructureDefinition/bp'] },
    status: 'final',
    category: [
      { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'vital-signs' }] },
    ],
    code: { coding: [{ system: 'http://loinc.org', code: '85354-9' }] },
    subject: { reference: 'Patient/1' },
    effectiveDateTime: '2020-01-01',
    component: [
      component('8480-6'),
      component('8462-4'),
      ...Array.from({ length: components }, () => component('1-8')),
    ],
  } as unknown as ValidResource
}

describe('a resource that takes long to judge', () => {
  it('is judged elsewhere, with the same verdict, while others go on', async () => {
    const conformance = new Conformance(ownProfiles(), null, start())
    const alone = new Conformance(ownProfiles(), null)
    expect(await conformance.judge(pressure(3, 'mm[Hg]'))).toEqual([])
    const large = pressure(3_000, 'Pa')
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    const issues = await conformance.judge(large)
    delay.disable()
    process.stdout.write(`held the event loop for at most ${Math.round(delay.max / 1e6)} ms\n`)
    expect(issues).toEqual(await alone.judge(large))
    expect(issues.length).toBeGreaterThan(10)
  })

  it('has its time, and the next one is judged all the same', async () => {
    const judging = start({ timeoutMs: 1 })
    await expect(judging.judge(pressure(20_000, 'mm[Hg]'), {})).rejects.toMatchObject({ kind: 'too-large' })
    await judging.close()
    expect((await start().judge(pressure(1, 'mm[Hg]'), {})).issues).toEqual([])
  })

  it('waits its turn, and only so many wait', async () => {
    const judging = start({ waiting: 2 })
    const [first, second, third] = await Promise.allSettled([1, 2, 3].map((n) => judging.judge(pressure(n, 'Pa'), {})))
    expect([first?.status, second?.status]).toEqual(['fulfilled', 'fulfilled'])
    expect(third).toMatchObject({ status: 'rejected', reason: { kind: 'unavailable' } })
  })
})

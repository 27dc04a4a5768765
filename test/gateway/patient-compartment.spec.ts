import { describe, expect, it } from 'vitest'
import type { GatewayParts } from '../../src/gateway/parts.js'
import { patientsOf } from '../../src/gateway/patient-compartment.js'
import type { PutIntent } from '../../src/gateway/intent.js'
import type { KnownPatient } from '../../src/gateway/patients.js'
import type { Resource } from '../../src/fhir/types.js'
import { id } from './stage.js'

/** Patients `p1`, `p2`, …; `q1` is another Patient resource of the first. */
const known = (localIds: readonly string[]): Map<string, KnownPatient> =>
  new Map(
    localIds.flatMap((localId): [string, KnownPatient][] => {
      const [, number] = /^[pq](\d+)$/.exec(localId) ?? []
      return number === undefined ? [] : [[localId, { id: id(Number(number)), state: 'present' }]]
    }),
  )
const parts = { patients: { known: async (ids: readonly string[]) => known(ids) } } as unknown as GatewayParts // what is asked
const named = async (resource: Omit<Resource, 'id'>) => {
  const type = resource['resourceType'] as string
  const intent = { kind: 'create', type, id: 'x', resource: { id: 'x', ...resource }, at: type } as unknown as PutIntent // what is looked at
  const { patients = [] } = (await patientsOf(parts, [intent], [null], async () => undefined)) ?? {}
  return { patient: patients[0]?.patient?.id ?? null, others: patients[0]?.others.map((other) => other.id) }
}
const of = (reference: string) => ({ reference })
const group = (...ids: string[]) => ({
  resourceType: 'Group',
  member: ids.map((each) => ({ entity: of(`Patient/${each}`) })),
})

describe('whose consent a resource takes', () => {
  it.each<[string, Omit<Resource, 'id'>, number | null, number[]]>([
    ['one subject', { resourceType: 'Observation', subject: of('Patient/p1') }, 1, []],
    [
      'one patient under two names',
      { resourceType: 'Observation', subject: of('Patient/p1'), focus: [of('Patient/q1')] },
      1,
      [],
    ],
    [
      'another one beside the subject',
      { resourceType: 'Observation', subject: of('Patient/p1'), focus: [of('Patient/p2')] },
      1,
      [2],
    ],
    ['all members', group('p3', 'p1', 'p2'), 3, [1, 2]],
    [
      'who is named in a contained resource',
      {
        resourceType: 'Observation',
        subject: of('Patient/p1'),
        contained: [{ resourceType: 'Observation', subject: of('Patient/p2') }],
      },
      1,
      [2],
    ],
    [
      'entries, in nobody’s compartment',
      {
        resourceType: 'Bundle',
        entry: [
          { resource: { resourceType: 'Observation', subject: of('Patient/p1') } },
          { resource: { resourceType: 'Observation', subject: of('Patient/p2') } },
        ],
      },
      null,
      [1, 2],
    ],
    ['nobody here', { resourceType: 'List', entry: [{ item: of('Patient/unknown') }] }, null, []],
  ])('is that of %s', async (_, resource, patient, others) => {
    expect(await named(resource)).toEqual({ patient: patient === null ? null : id(patient), others: others.map(id) })
  })

  it('is of a thousand patients at most', async () => {
    const many = (count: number) => group(...Array.from({ length: count }, (_, i) => `p${i + 1}`))
    expect((await named(many(1_000))).others).toHaveLength(999)
    await expect(named(many(1_001))).rejects.toThrow('1000 patients at most')
  })
})

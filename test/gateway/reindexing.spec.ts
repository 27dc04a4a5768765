import { beforeEach, describe, expect, it } from 'vitest'
import type { Occurrence } from '../../src/audit/occurrence.js'
import type { PatientId, Permit, RecordSubject } from '../../src/consent/permit.js'
import { Reindexing, type ReindexingParts } from '../../src/gateway/reindexing.js'
import type { Outdated } from '../../src/records/reindex.js'
import { index, version } from '../records/versions.js'
import { id } from './stage.js'

/** What was done, in its order. */
let done: string[]
let audited: Occurrence[]
let replaced: { entries: bigint[]; waiting: bigint[] }[]
let batches: Outdated[][]
/** Ids of records whose blocks cannot be opened, and patients who do not permit it. */
let broken: Set<string>
let closed: Set<PatientId>
let problems: unknown[]

const record = (pk: bigint, patient: PatientId | null): Outdated => ({
  pk,
  version: version({ type: 'Organization', id: `o${pk}`, patient }),
})

function reindexing(): Reindexing {
  const may = (subject: RecordSubject) => subject.patient === null || !closed.has(subject.patient)
  const permit = {} as Permit // this vault asks for none
  const parts: ReindexingParts = {
    entity: id(9),
    clock: () => 1_800_000_000_000,
    access: {
      filter: async () => ({ sql: 'true', params: [] }),
      permit: async () => permit,
      permits: async (_principal, _action, subjects) => subjects.map((subject) => (may(subject) ? permit : null)),
    },
    bodies: {
      open: async (_permit, rows) => {
        done.push(`open ${rows.map((row) => row.id).join(' ')}`)
        if (rows.some((row) => broken.has(row.id))) throw new Error('a block is missing')
        return rows.map((row) => Buffer.from(JSON.stringify({ resourceType: row.type, id: row.id })))
      },
    },
    index,
    records: {
      commit: async () => {
        done.push('tell')
        return { committed: true }
      },
    },
    reindex: {
      next: async () => {
        const rows = batches.shift()
        return rows && { rows, from: 0n, upto: 1n }
      },
      waiting: async () => [],
      replace: async (entries, waiting) => {
        replaced.push({ entries: entries.map(({ pk }) => pk), waiting: [...waiting] })
      },
    },
    audit: {
      records: async (occurrences) => {
        audited.push(...occurrences)
        return []
      },
    },
    patients: { localIds: async (patients) => new Map(patients.map((patient) => [patient, [`p${Number(patient)}`]])) },
    onProblem: (error) => problems.push(error),
  }
  return new Reindexing(parts, true, () => done.push('done'))
}

beforeEach(() => {
  done = []
  audited = []
  replaced = []
  problems = []
  broken = new Set()
  closed = new Set()
})

describe('indexing anew', () => {
  it('opens a batch at once, after the trail has named each patient of it who was not named yet', async () => {
    batches = [
      [record(1n, id(1)), record(2n, id(2)), record(3n, id(1))],
      [record(4n, id(2)), record(5n, null)],
      [record(6n, id(1)), record(7n, null)],
    ]
    const work = reindexing()
    for (let i = 0; i < 4; i++) await work.step()
    expect(done).toEqual(['tell', 'open o1 o2 o3', 'tell', 'open o4 o5', 'open o6 o7', 'done'])
    expect(
      audited.map(({ interaction, patients }) => [interaction, patients.map(({ reference }) => reference)]),
    ).toEqual([
      ['$reindex', ['Patient/p1', 'Patient/p2']],
      ['$reindex', []],
    ])
    expect(replaced.flatMap(({ entries }) => entries)).toEqual([1n, 2n, 3n, 4n, 5n, 6n, 7n])
  })

  it('neither opens nor names what its patient has closed to the entity, which waits', async () => {
    closed.add(id(2))
    batches = [[record(1n, id(1)), record(2n, id(2))]]
    await reindexing().step()
    expect(done).toEqual(['tell', 'open o1'])
    expect(audited.flatMap(({ patients }) => patients.map(({ reference }) => reference))).toEqual(['Patient/p1'])
    expect(replaced).toEqual([{ entries: [1n], waiting: [2n] }])
  })

  it('opens one by one where one of a batch cannot be opened, which waits alone', async () => {
    broken.add('o2')
    batches = [[record(1n, id(1)), record(2n, id(1)), record(3n, id(1))]]
    await reindexing().step()
    expect(done).toEqual(['tell', 'open o1 o2 o3', 'open o1', 'open o2', 'open o3'])
    expect(replaced).toEqual([{ entries: [1n, 3n], waiting: [2n] }])
    expect(problems).toHaveLength(1)
  })
})

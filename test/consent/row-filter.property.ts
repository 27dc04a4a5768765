import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decide, type Facts, type GrantWord, type Question } from '../../src/consent/decide.js'
import { ALL_LABELS, AUDIT, NOTICE } from '../../src/consent/labels.js'
import type { Action, PartyId, RecordSubject } from '../../src/consent/permit.js'
import { rowFilter } from '../../src/consent/row-filter.js'
import { actionNumber, type Purpose, purposeMask, type WordAction } from '../../src/consent/terms.js'
import type { Database } from '../../src/records/database.js'
import { ENGINES } from '../records/open.js'

let database: Database
let close: () => Promise<void>

beforeAll(async () => {
  ;({ database, close } = await (ENGINES[0] as (typeof ENGINES)[number]).open())
})
afterAll(() => close())

const id = (n: number): PartyId => `0x${n.toString(16).padStart(64, '0')}`
const bytes = (value: string) => Buffer.from(value.slice(2), 'hex')
const NOW = 1_700_000_000

const party = fc.constantFrom(id(100), id(200), id(300))
const patient = fc.constantFrom(id(1), id(2))
const action = fc.constantFrom<Action>('read', 'read', 'create', 'update')
const purpose = fc.constantFrom<Purpose>('TREAT', 'TREAT', 'HRESCH', 'BTG', 'BTG')
const labels = fc.bigInt({ min: 1n, max: 7n })
const categories = fc.bigInt({ min: 1n, max: 7n })

const subject: fc.Arbitrary<RecordSubject> = fc.record({
  patient: fc.option(patient, { nil: null }),
  origin: party,
  labels: fc.oneof({ weight: 6, arbitrary: labels }, { weight: 1, arbitrary: fc.constantFrom(AUDIT, NOTICE) }),
  categories,
})
const word: fc.Arbitrary<GrantWord> = fc.record({
  patient,
  grantee: party,
  labels: fc.oneof(fc.constantFrom(1n, 2n, 4n), fc.constant(ALL_LABELS)),
  action: fc.oneof({ weight: 2, arbitrary: action }, { weight: 1, arbitrary: fc.constant<WordAction>('emergency') }),
  from: fc.constantFrom(NOW - 10, NOW, NOW + 1),
  to: fc.constantFrom(NOW, NOW + 1, NOW + 10),
  purposes: fc.constantFrom(1, 16, 17, 128, 255),
  categories: fc.oneof(categories, fc.constant((1n << 64n) - 1n)),
})
const question = fc.record({
  action,
  purpose,
  parties: fc.uniqueArray(party, { minLength: 1, maxLength: 2 }),
  auditor: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
})

/** One word for each key, as the primary key has it. */
const unique = (words: readonly GrantWord[]) => [
  ...new Map(words.map((w) => [`${w.patient}${w.grantee}${w.action}${w.labels}`, w])).values(),
]

async function store(words: readonly GrantWord[]): Promise<void> {
  await database.query('DELETE FROM "grant"')
  await database.query(
    `INSERT INTO "grant" (patient, grantee, label_mask, action, valid_from, valid_to, purposes, categories, epoch, flags)
     SELECT i.*, 0, 0 FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::smallint[], $5::bigint[], $6::bigint[], $7::int[], $8::bigint[]) i`,
    [
      words.map((w) => bytes(w.patient)),
      words.map((w) => bytes(w.grantee)),
      words.map((w) => w.labels),
      words.map((w) => actionNumber(w.action)),
      words.map((w) => w.from),
      words.map((w) => w.to),
      words.map((w) => w.purposes),
      words.map((w) => BigInt.asIntN(64, w.categories)),
    ],
  )
}

/** Which of the subjects the condition lets through, over rows that are made of them. */
async function filtered(q: Omit<Question, 'subjects'>, subjects: readonly RecordSubject[]): Promise<boolean[]> {
  const { sql, params } = rowFilter({ ...q, now: NOW })
  const { rows } = await database.query<{ n: number }>(
    `SELECT r.n FROM unnest($${params.length + 1}::int[], $${params.length + 2}::bytea[], $${params.length + 3}::bytea[],
       $${params.length + 4}::bigint[], $${params.length + 5}::bigint[]) AS r(n, patient, origin, labels, categories) WHERE ${sql}`,
    [
      ...params,
      subjects.map((_, i) => i),
      subjects.map((s) => (s.patient === null ? null : bytes(s.patient))),
      subjects.map((s) => bytes(s.origin)),
      subjects.map((s) => s.labels),
      subjects.map((s) => s.categories),
    ],
  )
  const through = new Set(rows.map(({ n }) => n))
  return subjects.map((_, i) => through.has(i))
}

describe('rowFilter', () => {
  it('is the decision of decide, for all words, rows and questions', async () => {
    let permitted = 0
    let emergencies = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(word, { maxLength: 12 }).map(unique),
        fc.array(subject, { minLength: 1, maxLength: 20 }),
        question,
        async (words, subjects, q) => {
          await store(words)
          const facts: Facts = {
            now: NOW * 1000,
            freshness: { confirmedAt: NOW * 1000, limitMs: 1000 },
            activeParties: new Set(q.parties),
            words,
          }
          const decided = subjects.map((s) => 'permit' in decide({ ...q, subjects: [s] }, facts))
          // An auditor asks to read; anything else is refused before there is a filter.
          if (q.auditor && q.action !== 'read') return
          permitted += decided.filter(Boolean).length
          if (q.purpose === 'BTG') emergencies += subjects.filter((s, i) => s.patient !== null && decided[i]).length
          expect(await filtered(q, subjects)).toEqual(decided)
        },
      ),
      { numRuns: 300 },
    )
    // The property would say nothing if nothing were ever permitted.
    expect(permitted).toBeGreaterThan(10)
    expect(emergencies).toBeGreaterThan(0)
  })

  it('binds its values: nothing of them is in the SQL', () => {
    const { sql } = rowFilter({ action: 'read', purpose: 'TREAT', parties: [id(100)], now: NOW })
    expect(sql).not.toMatch(/1700000000|64/)
    expect(purposeMask(['TREAT'])).toBe(1)
  })
})

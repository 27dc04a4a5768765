import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decide, type Facts, type GrantWord, type Question } from '../../src/consent/decide.js'
import { ALL_LABELS, AUDIT, NOTICE } from '../../src/consent/labels.js'
import type { Action, PartyId, RecordFacts, RecordSubject } from '../../src/consent/permit.js'
import type { Policy, PolicyRule } from '../../src/consent/policy.js'
import { keepPolicy } from '../../src/consent/policy-rows.js'
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

const at = (n: number): Uint8Array => Uint8Array.of(100 + n, 7)
const facet = fc.bigInt({ min: -2n, max: 2n })
const interval = fc
  .tuple(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 1, max: 4 }))
  .map(([from, length]): [Uint8Array, Uint8Array] => [at(from), at(from + length)])
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 2 })
const rule: fc.Arbitrary<PolicyRule> = fc
  .record({
    excepts: fc.boolean(),
    parties: maybe(fc.uniqueArray(party, { minLength: 1, maxLength: 2 })),
    actions: maybe(fc.constantFrom(1, 2, 7)),
    purposes: maybe(fc.constantFrom(1, 16, 128, 255)),
    labels: maybe(labels),
    categories: maybe(categories),
    care: maybe(interval.map(([from, to]) => ({ from, to }))),
    facets: maybe(fc.uniqueArray(facet, { minLength: 1, maxLength: 3 })),
  })
  // What only permits is about the data alone.
  .map(({ excepts, care, facets, ...rest }) => defined({ excepts, care, facets, ...(excepts ? rest : {}) }))
const policy: fc.Arbitrary<Policy> = fc.record({ rules: fc.array(rule, { maxLength: 3 }) })
const facts: fc.Arbitrary<RecordFacts | null> = fc.option(
  fc.record({
    facets: fc.uniqueArray(facet, { maxLength: 3 }),
    care: fc.option(
      interval.map(([lo, hi]) => ({ lo, hi })),
      { nil: null },
    ),
  }),
  { nil: null, freq: 5 },
)
function defined(given: object): PolicyRule {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as unknown as PolicyRule // with what it has
}

const subject: fc.Arbitrary<RecordSubject> = fc.record({
  patient: fc.option(patient, { nil: null }),
  origin: party,
  labels: fc.oneof({ weight: 6, arbitrary: labels }, { weight: 1, arbitrary: fc.constantFrom(AUDIT, NOTICE) }),
  categories,
  facts,
  others: fc.option(fc.uniqueArray(patient, { minLength: 1, maxLength: 2 }), { nil: null, freq: 3 }),
})
const word: fc.Arbitrary<GrantWord> = fc
  .record({
    patient,
    grantee: party,
    labels: fc.oneof(fc.constantFrom(1n, 2n, 4n), fc.constant(ALL_LABELS)),
    action: fc.oneof({ weight: 2, arbitrary: action }, { weight: 1, arbitrary: fc.constant<WordAction>('emergency') }),
    from: fc.constantFrom(NOW - 10, NOW, NOW + 1),
    to: fc.constantFrom(NOW, NOW + 1, NOW + 10),
    purposes: fc.constantFrom(1, 16, 17, 128, 255),
    categories: fc.oneof(categories, fc.constant((1n << 64n) - 1n)),
    policies: fc.option(fc.array(policy, { minLength: 1, maxLength: 2 }), { nil: undefined, freq: 2 }),
  })
  .map(({ policies, ...word }) => (policies === undefined ? word : { ...word, policies }))
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
  for (const table of ['"grant"', 'policy_rule', 'policy_document']) await database.query(`DELETE FROM ${table}`)
  const hashes: (string | null)[] = []
  let kept = 0
  for (const { policies } of words) {
    const named = (policies ?? []).map(() => id(++kept))
    for (const [i, hash] of named.entries()) await keepPolicy(database, hash, Buffer.of(1), policies?.[i] as Policy)
    hashes.push(policies === undefined ? null : named.map((hash) => hash.slice(2)).join(' '))
  }
  await database.query(
    `INSERT INTO "grant" (patient, grantee, label_mask, action, valid_from, valid_to, purposes, categories, epoch, flags, policies)
     SELECT a, b, c, d, e, f, g, h, 0, 0, (SELECT array_agg(decode(p, 'hex')) FROM unnest(string_to_array(j, ' ')) p)
     FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::smallint[], $5::bigint[], $6::bigint[], $7::int[], $8::bigint[], $9::text[])
       AS i(a, b, c, d, e, f, g, h, j)`,
    [
      words.map((w) => bytes(w.patient)),
      words.map((w) => bytes(w.grantee)),
      words.map((w) => w.labels),
      words.map((w) => actionNumber(w.action)),
      words.map((w) => w.from),
      words.map((w) => w.to),
      words.map((w) => w.purposes),
      words.map((w) => BigInt.asIntN(64, w.categories)),
      hashes,
    ],
  )
}

/** Which of the subjects the condition lets through, over rows that are made of them. */
async function filtered(q: Omit<Question, 'subjects'>, subjects: readonly RecordSubject[]): Promise<boolean[]> {
  const { sql, params } = rowFilter({ ...q, now: NOW })
  const { rows } = await database.query<{ n: number }>(
    `SELECT r.n FROM unnest($${params.length + 1}::int[], $${params.length + 2}::bytea[], $${params.length + 3}::bytea[],
       $${params.length + 4}::bigint[], $${params.length + 5}::bigint[], $${params.length + 6}::text[], $${params.length + 7}::bytea[],
       $${params.length + 8}::bytea[], $${params.length + 9}::text[]) AS i(n, patient, origin, labels, categories, facets, care_lo, care_hi, others)
     CROSS JOIN LATERAL (SELECT i.n, i.patient, i.origin, i.labels, i.categories, i.facets::bigint[] AS facets, i.care_lo, i.care_hi,
       (SELECT array_agg(decode(o, 'hex')) FROM unnest(string_to_array(i.others, ' ')) o) AS others) r
     WHERE ${sql}`,
    [
      ...params,
      subjects.map((_, i) => i),
      subjects.map((s) => (s.patient === null ? null : bytes(s.patient))),
      subjects.map((s) => bytes(s.origin)),
      subjects.map((s) => s.labels),
      subjects.map((s) => s.categories),
      subjects.map((s) => (s.facts ? `{${s.facts.facets.join(',')}}` : null)),
      subjects.map((s) => s.facts?.care?.lo ?? null),
      subjects.map((s) => s.facts?.care?.hi ?? null),
      subjects.map((s) => s.others?.map((other) => other.slice(2)).join(' ') ?? null),
    ],
  )
  const through = new Set(rows.map(({ n }) => n))
  return subjects.map((_, i) => through.has(i))
}

interface Seen {
  permitted: number
  emergencies: number
  /** Permitted but for a policy. */
  narrowed: number
}

const decideAll = (q: Omit<Question, 'subjects'>, subjects: readonly RecordSubject[], words: readonly GrantWord[]) => {
  const freshness = { confirmedAt: NOW * 1000, limitMs: 1000 }
  const facts: Facts = { now: NOW * 1000, freshness, activeParties: new Set(q.parties), words }
  return subjects.map((s) => 'permit' in decide({ ...q, subjects: [s] }, facts))
}

/** @returns how often something was decided, since the property would say nothing if nothing ever were */
async function holdEqual(words: typeof word, asked: typeof question, numRuns: number): Promise<Seen> {
  const seen: Seen = { permitted: 0, emergencies: 0, narrowed: 0 }
  await fc.assert(
    fc.asyncProperty(
      fc.array(words, { maxLength: 12 }).map(unique),
      fc.array(subject, { minLength: 1, maxLength: 20 }),
      asked,
      async (held, subjects, q) => {
        // An auditor asks to read; anything else is refused before there is a filter.
        if (q.auditor && q.action !== 'read') return
        await store(held)
        const decided = decideAll(q, subjects, held)
        const wide = decideAll(
          q,
          subjects,
          held.map(({ policies: _, ...rest }) => rest),
        )
        seen.narrowed += wide.filter((would, i) => would && !decided[i]).length
        seen.permitted += decided.filter(Boolean).length
        if (q.purpose === 'BTG') seen.emergencies += subjects.filter((s, i) => s.patient !== null && decided[i]).length
        expect(await filtered(q, subjects)).toEqual(decided)
      },
    ),
    { numRuns },
  )
  return seen
}

describe('rowFilter', () => {
  it('is the decision of decide, for all words, rows and questions', async () => {
    const { permitted, emergencies } = await holdEqual(word, question, 300)
    expect(permitted).toBeGreaterThan(10)
    expect(emergencies).toBeGreaterThan(0)
  })

  it('is the decision of decide where policy documents alone tell what is permitted', async () => {
    const broad = {
      grantee: id(100),
      labels: ALL_LABELS,
      action: 'read',
      from: NOW - 1,
      to: NOW + 1,
      purposes: 255,
    } as const
    const narrowedWord = fc
      .record({ patient, policies: fc.array(policy, { minLength: 1, maxLength: 2 }) })
      .map((given): GrantWord => ({ ...broad, ...given, categories: (1n << 64n) - 1n }))
    const asked: typeof question = fc.record({
      action: fc.constant<Action>('read'),
      purpose: fc.constantFrom<Purpose>('TREAT', 'HRESCH'),
      parties: fc.constantFrom<PartyId[]>([id(100)], [id(100), id(200)]),
      auditor: fc.constant(false),
    })
    const { permitted, narrowed } = await holdEqual(narrowedWord, asked, 300)
    expect(permitted).toBeGreaterThan(300)
    expect(narrowed).toBeGreaterThan(300)
  })

  it('lets nothing through by a word whose document is not kept, whatever the row', async () => {
    const broad: GrantWord = {
      patient: id(1),
      grantee: id(100),
      labels: ALL_LABELS,
      action: 'read',
      from: 0,
      to: NOW + 1,
      purposes: 255,
      categories: (1n << 64n) - 1n,
    }
    const row = { patient: id(1), origin: id(200), labels: 1n, categories: 1n, facts: null }
    const q = { action: 'read', purpose: 'TREAT', parties: [id(100)] } as const
    await store([{ ...broad, policies: [{ rules: [] }] }])
    expect(await filtered(q, [row])).toEqual([true])
    await database.query('DELETE FROM policy_document')
    expect(await filtered(q, [row])).toEqual([false])
  })

  it('binds its values: nothing of them is in the SQL', () => {
    const { sql } = rowFilter({ action: 'read', purpose: 'TREAT', parties: [id(100)], now: NOW })
    expect(sql).not.toMatch(/1700000000|64/)
    expect(purposeMask(['TREAT'])).toBe(1)
  })
})

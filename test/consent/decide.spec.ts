import { describe, expect, it } from 'vitest'
import { type Facts, type GrantWord, type Question, decide } from '../../src/consent/decide.js'
import { ALL_LABELS, AUDIT, GENERAL, labelBits, NOTICE } from '../../src/consent/labels.js'
import type { PolicyRule } from '../../src/consent/policy.js'
import { type PartyId, type PatientId, Permit, type RecordSubject, takeIssuer } from '../../src/consent/permit.js'
import { ALL_CATEGORIES, categoryBits, purposeMask } from '../../src/consent/terms.js'

const party = (n: number): PartyId => `0x${n.toString(16).padStart(64, '0')}`
const patient: PatientId = party(1)
const hospital = party(100)
const clinic = party(200)
const NOW = 1_700_000_000_000
const SECONDS = NOW / 1000

const subject = (over: Partial<RecordSubject> = {}): RecordSubject => ({
  patient,
  origin: hospital,
  labels: GENERAL,
  categories: categoryBits(['laboratory']),
  ...over,
})
const word = (over: Partial<GrantWord> = {}): GrantWord => ({
  patient,
  grantee: clinic,
  labels: GENERAL,
  action: 'read',
  from: SECONDS - 10,
  to: SECONDS + 10,
  purposes: purposeMask(['TREAT']),
  categories: ALL_CATEGORIES,
  ...over,
})
const question = (over: Partial<Question> = {}): Question => ({
  action: 'read',
  purpose: 'TREAT',
  parties: [clinic],
  subjects: [subject()],
  ...over,
})
const facts = (over: Partial<Facts> = {}): Facts => ({
  now: NOW,
  freshness: { confirmedAt: NOW - 1000, limitMs: 60_000 },
  activeParties: new Set([hospital, clinic]),
  words: [word()],
  ...over,
})

function outcome(q: Question, f: Facts): string {
  const decision = decide(q, f)
  return 'permit' in decision ? 'permit' : decision.denial.reason
}

describe('decide', () => {
  it('permits what one word in force covers, and the permit covers that subject and no other', () => {
    const decision = decide(question(), facts())
    if (!('permit' in decision)) throw new Error(decision.denial.reason)
    expect(Permit.is(decision.permit)).toBe(true)
    expect(decision.permit.covers(subject())).toBe(true)
    expect(decision.permit.covers(subject({ patient: party(2) }))).toBe(false)
    expect(decision.permit.covers(subject({ labels: labelBits(['PSY']) }))).toBe(false)
    expect(decision.permit.covers(subject({ origin: clinic }))).toBe(false)
  })

  it.each<[string, Partial<GrantWord>]>([
    ['of another patient', { patient: party(2) }],
    ['for another grantee', { grantee: party(201) }],
    ['of another label', { labels: labelBits(['PSY']) }],
    ['for another action', { action: 'update' }],
    ['for another purpose', { purposes: purposeMask(['HRESCH']) }],
    ['of another category', { categories: categoryBits(['imaging']) }],
    ['that has ended this second', { to: SECONDS }],
    ['that begins in the next second', { from: SECONDS + 1 }],
  ])('denies with only a word %s', (_, over) => {
    expect(outcome(question(), facts({ words: [word(over)] }))).toBe('no-grant')
  })

  it('is in force at the first second and not at the end', () => {
    expect(outcome(question(), facts({ words: [word({ from: SECONDS, to: SECONDS + 1 })] }))).toBe('permit')
  })

  describe('with a policy document beside the word', () => {
    const day = (n: number): Uint8Array => Uint8Array.of(n)
    const of = (lo: number, hi: number, ...facets: bigint[]) =>
      subject({ facts: { facets, care: { lo: day(lo), hi: day(hi) } } })
    const undated = subject({ facts: { facets: [7n], care: null } })
    const unknown = subject()
    const march = { from: day(10), to: day(20) }
    it.each<[string, RecordSubject, PolicyRule, 'permit' | 'no-grant']>([
      ['all within the period', of(10, 20), { excepts: false, care: march }, 'permit'],
      ['in part before the period', of(9, 20), { excepts: false, care: march }, 'no-grant'],
      ['in part after the period', of(10, 21), { excepts: false, care: march }, 'no-grant'],
      ['without a date', undated, { excepts: false, care: march }, 'no-grant'],
      ['of which nothing is known', unknown, { excepts: false, care: march }, 'no-grant'],
      ['that ends where a refused period begins', of(1, 10), { excepts: true, care: march }, 'permit'],
      ['in part in a refused period', of(1, 11), { excepts: true, care: march }, 'no-grant'],
      ['without a date, where a period is refused', undated, { excepts: true, care: march }, 'no-grant'],
      ['named', undated, { excepts: false, facets: [7n, 8n] }, 'permit'],
      ['not named', undated, { excepts: false, facets: [8n] }, 'no-grant'],
      ['refused by name', undated, { excepts: true, facets: [7n] }, 'no-grant'],
      ['of which nothing is known, where one is refused by name', unknown, { excepts: true, facets: [7n] }, 'no-grant'],
      [
        'of another date than the refused one by name',
        of(1, 2, 7n),
        { excepts: true, facets: [7n], care: march },
        'permit',
      ],
      ['refused for another purpose', of(1, 2), { excepts: true, purposes: purposeMask(['HRESCH']) }, 'permit'],
      ['refused for this purpose', of(1, 2), { excepts: true, purposes: purposeMask(['TREAT']) }, 'no-grant'],
      ['refused to another party', of(1, 2), { excepts: true, parties: [hospital] }, 'permit'],
      ['refused to this party', of(1, 2), { excepts: true, parties: [clinic] }, 'no-grant'],
      ['refused for another action', of(1, 2), { excepts: true, actions: 2 }, 'permit'],
      ['of a refused category', of(1, 2), { excepts: true, categories: categoryBits(['laboratory']) }, 'no-grant'],
      ['of a refused label', of(1, 2), { excepts: true, labels: GENERAL }, 'no-grant'],
    ])('decides about a record %s', (_, record, rule, expected) => {
      const f = facts({ words: [word({ policies: [{ rules: [rule] }] })] })
      expect(outcome(question({ subjects: [record] }), f)).toBe(expected)
      // A word beside it that nothing narrows gives what it gives.
      expect(outcome(question({ subjects: [record] }), facts({ words: [...f.words, word()] }))).toBe('permit')
    })

    it('gives a permit for that record and not for one that differs only in what the document asks', () => {
      const f = facts({ words: [word({ policies: [{ rules: [{ excepts: false, facets: [7n] }] }] })] })
      const decision = decide(question({ subjects: [undated] }), f)
      if (!('permit' in decision)) throw new Error(decision.denial.reason)
      expect(decision.permit.covers(undated)).toBe(true)
      expect([of(1, 2, 8n), of(1, 2, 7n), unknown].map((other) => decision.permit.covers(other))).toEqual([
        false,
        false,
        false,
      ])
    })
  })

  it('asks every patient whom a record names, with its labels and categories', () => {
    const q = question({ subjects: [subject({ others: [party(2), party(3)] })] })
    const [second, third] = [word({ patient: party(2) }), word({ patient: party(3) })]
    expect(outcome(q, facts({ words: [word(), second, third] }))).toBe('permit')
    for (const words of [[word(), second], [second, third], [word()], [word(), second, { ...third, purposes: 16 }]]) {
      expect(outcome(q, facts({ words }))).toBe('no-grant')
    }
    // What is in nobody's compartment is its author's alone, and each patient's whom it names all the same.
    const own = question({ parties: [hospital], subjects: [subject({ patient: null, others: [party(2)] })] })
    expect(outcome(own, facts({ words: [] }))).toBe('no-grant')
    expect(outcome(own, facts({ words: [{ ...second, grantee: hospital }] }))).toBe('permit')
    expect(outcome({ ...own, parties: [clinic] }, facts({ words: [second] }))).toBe('not-the-author')
  })

  it('needs every label of a record, from whichever words', () => {
    const q = question({ subjects: [subject({ labels: labelBits(['PSY', 'HIV']) })] })
    const psy = word({ labels: labelBits(['PSY']) })
    const hiv = word({ labels: labelBits(['HIV']) })
    expect(outcome(q, facts({ words: [psy] }))).toBe('no-grant')
    expect(outcome(q, facts({ words: [psy, hiv] }))).toBe('permit')
    expect(outcome(q, facts({ words: [word({ labels: ALL_LABELS })] }))).toBe('permit')
  })

  it('does not let the category of one label serve another label', () => {
    const q = question({
      subjects: [subject({ labels: labelBits(['PSY', 'HIV']), categories: categoryBits(['laboratory']) })],
    })
    const words = [
      word({ labels: labelBits(['PSY']), categories: categoryBits(['laboratory']) }),
      word({ labels: labelBits(['HIV']), categories: categoryBits(['imaging']) }),
    ]
    expect(outcome(q, facts({ words }))).toBe('no-grant')
  })

  it('is all or nothing over several subjects', () => {
    const q = question({ subjects: [subject(), subject({ patient: party(2) })] })
    expect(outcome(q, facts())).toBe('no-grant')
  })

  it('gives what is in no compartment to its author alone', () => {
    const loose = subject({ patient: null })
    expect(outcome(question({ subjects: [loose] }), facts())).toBe('not-the-author')
    expect(outcome(question({ subjects: [loose], parties: [hospital] }), facts({ words: [] }))).toBe('permit')
  })

  it('does not let the author entity read a patient without a grant', () => {
    expect(outcome(question({ parties: [hospital] }), facts({ words: [] }))).toBe('no-grant')
  })

  it('denies parties that are not active, whatever was granted to them', () => {
    expect(outcome(question(), facts({ activeParties: new Set([hospital]) }))).toBe('party-not-active')
    expect(outcome(question({ parties: [clinic, hospital] }), facts({ activeParties: new Set([hospital]) }))).toBe(
      'no-grant',
    )
  })

  it.each([
    ['never confirmed', { confirmedAt: null, limitMs: 60_000 }],
    ['confirmed too long ago', { confirmedAt: NOW - 60_001, limitMs: 60_000 }],
    [
      'a head that is too old',
      { confirmedAt: NOW, limitMs: 60_000, head: { timestampMs: NOW - 30_001, limitMs: 30_000 } },
    ],
  ])('permits nothing on a mirror %s', (_, freshness) => {
    expect(outcome(question(), facts({ freshness }))).toBe('mirror-stale')
  })
})

describe('breaking the glass', () => {
  const emergency = word({ action: 'emergency', labels: ALL_LABELS, purposes: purposeMask(['BTG']) })
  const asked = (over: Partial<Question> = {}) => question({ purpose: 'BTG', ...over })

  it('opens every label of the patient for reading, until the end of its word', () => {
    const psy = asked({ subjects: [subject(), subject({ labels: labelBits(['PSY', 'HIV']) })] })
    expect(outcome(psy, facts({ words: [emergency] }))).toBe('permit')
    expect(outcome(psy, facts({ words: [{ ...emergency, to: SECONDS }] }))).toBe('no-grant')
    expect(outcome(asked({ subjects: [subject({ patient: party(2) })] }), facts({ words: [emergency] }))).toBe(
      'no-grant',
    )
  })

  it.each(['create', 'update', 'delete', 'export', 'subscribe'] as const)('opens nothing to %s', (action) => {
    const everything = word({ action, labels: ALL_LABELS, purposes: purposeMask(['BTG']) })
    expect(outcome(asked({ action }), facts({ words: [emergency, everything] }))).toBe('no-grant')
  })

  it('serves no other purpose, and no grant serves it', () => {
    expect(outcome(question(), facts({ words: [{ ...emergency, purposes: 0xff }] }))).toBe('no-grant')
    expect(outcome(asked(), facts({ words: [word({ labels: ALL_LABELS, purposes: 0xff })] }))).toBe('no-grant')
  })
})

describe('the audit trail', () => {
  const record = subject({ labels: AUDIT, origin: hospital })
  const everything = word({ grantee: hospital, labels: ALL_LABELS })

  it('is out of reach of every grant', () => {
    const q = question({ parties: [hospital], subjects: [record] })
    expect(outcome(q, facts({ words: [everything] }))).toBe('auditors-only')
  })

  it('is read by the auditor of the entity that keeps it, also while the ledger is silent', () => {
    const q = question({ parties: [hospital], subjects: [record], auditor: true, purpose: 'HOPERAT' })
    expect(outcome(q, facts({ freshness: { confirmedAt: null, limitMs: 1 } }))).toBe('permit')
    expect(outcome({ ...q, parties: [clinic] }, facts())).toBe('no-grant')
    expect(outcome({ ...q, action: 'update' }, facts())).toBe('auditors-only')
  })

  it('is all that an auditor reads', () => {
    const q = question({ parties: [hospital], subjects: [subject()], auditor: true })
    expect(outcome(q, facts({ words: [everything] }))).toBe('no-grant')
    expect(outcome({ ...q, subjects: [record, subject()] }, facts({ words: [everything] }))).toBe('no-grant')
  })
})

describe('labelBits', () => {
  it('is general when nothing is said, and never general for a class it does not know', () => {
    expect(labelBits([])).toBe(GENERAL)
    expect(labelBits(['R'])).not.toBe(GENERAL)
    expect(labelBits(['NEWCLASS']) & GENERAL).toBe(0n)
    expect(labelBits(['R', 'PSY'])).toBe(labelBits(['PSY']))
  })
})

describe('a permit', () => {
  it('cannot be made by anyone else', () => {
    expect(() => takeIssuer()).toThrow('taken already')
    expect(() => new Permit(Symbol('permit') as never, 'read', 'TREAT', NOW, [])).toThrow('only be made')
    expect(Permit.is({ action: 'read', covers: () => true })).toBe(false)
    expect(Permit.is(Object.create(Permit.prototype))).toBe(false)
  })
})

describe('a notice of who asks for access or took it', () => {
  const notice = subject({ labels: NOTICE, origin: hospital })
  const outcome = (q: Partial<Question>, f: Partial<Facts> = {}): string => {
    const decision = decide(question({ subjects: [notice], ...q }), facts(f))
    return 'permit' in decision ? 'permitted' : decision.denial.reason
  }

  it('is read by its author entity without any grant, and by nobody with every grant', () => {
    expect(outcome({ parties: [hospital] }, { words: [] })).toBe('permitted')
    const everything = word({ labels: ALL_LABELS, purposes: 0xff })
    expect(outcome({ parties: [clinic] }, { words: [everything] })).toBe('not-the-author')
    expect(outcome({ parties: [clinic], purpose: 'BTG' }, { words: [{ ...everything, action: 'emergency' }] })).toBe(
      'not-the-author',
    )
  })

  it('is changed by nobody, and not known from a mirror that is too old or to a party that is suspended', () => {
    for (const action of ['create', 'update', 'delete', 'export', 'subscribe'] as const) {
      expect(outcome({ parties: [hospital], action })).toBe('not-written')
    }
    expect(outcome({ parties: [hospital] }, { freshness: { confirmedAt: null, limitMs: 1 } })).toBe('mirror-stale')
    expect(outcome({ parties: [hospital] }, { activeParties: new Set([clinic]) })).toBe('party-not-active')
  })
})

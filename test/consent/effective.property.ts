import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { effectiveVeto, effectiveWord, type WordChange } from '../../src/consent/effective.js'
import { type ConsentWord, unpackWord } from '../../src/consent/word.js'

const wordOf = fc.record({
  from: fc.integer({ min: 0, max: 20 }),
  to: fc.integer({ min: 21, max: 40 }),
  purposes: fc.integer({ min: 1, max: 7 }),
  categories: fc.bigInt({ min: 1n, max: 7n }),
  epoch: fc.constant(0),
  flags: fc.constant(0),
})
const history = fc
  .array(fc.record({ gap: fc.integer({ min: 0, max: 2 }), word: fc.option(wordOf, { nil: null }) }), { maxLength: 8 })
  .map((steps) => {
    let block = 0
    return steps.map(({ gap, word }): WordChange => ({ block: (block += gap), word }))
  })

const permits = (word: ConsentWord | null, at: number, purpose: number, category: bigint): boolean =>
  word !== null &&
  word.from <= at &&
  at < word.to &&
  (word.purposes & purpose) !== 0 &&
  (word.categories & category) !== 0n

const question = fc.record({
  at: fc.integer({ min: 0, max: 40 }),
  purpose: fc.constantFrom(1, 2, 4),
  category: fc.constantFrom(1n, 2n, 4n),
})

describe('effectiveWord', () => {
  it('is the last change when everything is final', () => {
    fc.assert(
      fc.property(history, (changes) => {
        expect(effectiveWord(changes, Number.MAX_SAFE_INTEGER)).toEqual(changes.at(-1)?.word ?? null)
      }),
    )
  })

  it('permits only what the chain permits at its head and what was permitted when the last final block was the head', () => {
    fc.assert(
      fc.property(history, fc.integer({ min: -1, max: 16 }), question, (changes, finalized, q) => {
        const now = permits(effectiveWord(changes, finalized), q.at, q.purpose, q.category)
        const atHead = permits(changes.at(-1)?.word ?? null, q.at, q.purpose, q.category)
        const final = changes.filter((change) => change.block <= finalized)
        const atFinal = permits(final.at(-1)?.word ?? null, q.at, q.purpose, q.category)
        if (now) expect(atHead && atFinal).toBe(true)
      }),
    )
  })

  it('does not permit less once more blocks are final, if nothing was taken away', () => {
    fc.assert(
      fc.property(history, fc.integer({ min: -1, max: 16 }), question, (changes, finalized, q) => {
        const same = changes.every((c) => c.word === null || permits(c.word, q.at, q.purpose, q.category))
        fc.pre(same && changes.at(-1)?.word != null)
        const before = permits(effectiveWord(changes, finalized), q.at, q.purpose, q.category)
        const after = permits(effectiveWord(changes, finalized + 5), q.at, q.purpose, q.category)
        expect(!before || after).toBe(true)
      }),
    )
  })
})

describe('effectiveVeto', () => {
  const changes = fc
    .array(fc.record({ gap: fc.integer({ min: 0, max: 2 }), vetoed: fc.boolean() }), { maxLength: 8 })
    .map((steps) => {
      let block = 0
      return steps.map(({ gap, vetoed }) => ({ block: (block += gap), vetoed }))
    })

  it('forbids from the block of a veto, and until the block that lifted it is final', () => {
    fc.assert(
      fc.property(changes, fc.integer({ min: -1, max: 16 }), (history, finalized) => {
        const since = history.findLastIndex(({ vetoed, block }) => !vetoed && block <= finalized)
        const open = history.slice(since + 1).some(({ vetoed }) => vetoed)
        expect(effectiveVeto(history, finalized)).toBe(open)
        expect(effectiveVeto(history, Infinity)).toBe(history.at(-1)?.vetoed ?? false)
      }),
    )
  })
})

it('reads the fields of a packed word', () => {
  const packed = 5n | (9n << 40n) | (3n << 80n) | (0xffff_ffff_ffff_ffffn << 112n) | (7n << 176n) | (4n << 208n)
  expect(unpackWord(packed)).toEqual({
    from: 5,
    to: 9,
    purposes: 3,
    categories: 0xffff_ffff_ffff_ffffn,
    epoch: 7,
    flags: 4,
  })
})

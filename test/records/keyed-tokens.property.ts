import fc from 'fast-check'
import { createHmac } from 'node:crypto'
import { expect, it } from 'vitest'
import { KeyedTokens } from '../../src/records/keyed-tokens.js'

it('is the beginning of HMAC-SHA-256 (RFC 2104), remembered or not', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.array(fc.string({ unit: 'binary', maxLength: 200 })),
      (key, texts) => {
        const tokens = new KeyedTokens(key)
        for (const text of [...texts, ...texts, `${'ä'.repeat(2000)}${texts[0]}`]) {
          // JavaScript strings that are no Unicode text become U+FFFD on both sides
          expect(tokens.of(text)).toBe(createHmac('sha256', key).update(Buffer.from(text)).digest().readBigInt64BE())
        }
      },
    ),
    { numRuns: 30 },
  )
})

it('stays right when it has forgotten', () => {
  const tokens = new KeyedTokens(new Uint8Array(32))
  const first = tokens.of('0')
  for (let i = 1; i < 70_000; i++) tokens.of(String(i))
  expect(tokens.of('0')).toBe(first)
})

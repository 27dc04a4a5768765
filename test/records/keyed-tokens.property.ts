import fc from 'fast-check'
import { createHmac } from 'node:crypto'
import { expect, it } from 'vitest'
import { KeyedTokens } from '../../src/records/keyed-tokens.js'
import type { Kind } from '../../src/records/token-kind.js'

it('is the beginning of HMAC-SHA-256 (RFC 2104), remembered or not', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.array(fc.string({ unit: 'binary', maxLength: 200 })),
      (key, texts) => {
        const tokens = new KeyedTokens(key)
        for (const text of [...texts, ...texts, `${'ä'.repeat(2000)}${texts[0]}`]) {
          // JavaScript strings that are no Unicode text become U+FFFD on both sides
          const whole = Buffer.from(`uri|Patient|link|${text}`)
          const token = createHmac('sha256', key).update(whole).digest().readBigInt64BE()
          expect(tokens.of('uri', 'Patient', 'link', text)).toBe(token)
        }
      },
    ),
    { numRuns: 30 },
  )
})

it('stays right when it has forgotten', () => {
  const tokens = new KeyedTokens(new Uint8Array(32))
  const of = (text: string): bigint => tokens.of('code', 'Patient', 'gender', text)
  const first = of('0')
  for (let i = 1; i < 70_000; i++) of(String(i))
  expect(of('0')).toBe(first)
})

it('is of kind, type, parameter and value, remembered or not', () => {
  const tokens = new KeyedTokens(new Uint8Array(32))
  const names = ['code', 'system', 'uri'].flatMap((kind) =>
    ['Patient', 'Group'].flatMap((type) => ['a', 'b'].map((param) => [kind, type, param] as [Kind, string, string])),
  )
  const all = () => names.map((name) => tokens.of(...name, 'value'))
  expect(new Set(all()).size).toBe(names.length)
  expect(all()).toEqual(all())
})

import { expect, it } from 'vitest'
import { ConsentryError } from '../../src/errors.js'
import { ProxyAnswers } from '../../src/exchange/proxy-answers.js'

const proxy = (n: number) => `0x${String(n).repeat(64)}` as const
const refused = (kind: 'unavailable' | 'integrity', message: string) => ({
  status: 'rejected' as const,
  reason: new ConsentryError(kind, message),
})
const unsigned = refused('integrity', 'A receipt of a re-encryption proxy is missing.')

it('counts what becomes of answers, and names a proxy that signs nothing once until it is something else', () => {
  const said: string[] = []
  const answers = new ProxyAnswers(({ message }) => said.push(message))
  answers.note(proxy(1), { status: 'fulfilled', value: {} })
  for (let i = 0; i < 3; i++) answers.note(proxy(2), unsigned)
  answers.note(proxy(3), unsigned)
  answers.note(proxy(2), refused('unavailable', 'A re-encryption proxy does not answer.'))
  expect(answers.counts).toEqual({ counted: 1, silent: 1, refused: 4 })
  expect(said).toEqual([
    `The answer of proxy ${proxy(2)} does not count: A receipt of a re-encryption proxy is missing.`,
    `The answer of proxy ${proxy(3)} does not count: A receipt of a re-encryption proxy is missing.`,
    `The answer of proxy ${proxy(2)} does not count: A re-encryption proxy does not answer.`,
  ])
  answers.note(proxy(3), { status: 'fulfilled', value: {} })
  answers.note(proxy(3), unsigned)
  expect(said).toHaveLength(4)
})

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { keepWellKnown } from '../../src/embedded/well-known.js'
import { Keystore } from '../../src/vault/keystore.js'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'consentry-well-known-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

const string = (value: string) => ({ value, normal: value })
const code = (value: string) => ({ system: 's', code: value })
const open = (name: string) => Keystore.open(join(directory, name), 'pass')

it('keeps what was ever well known, through restarts and another address', async () => {
  expect(await keepWellKnown(await open('a'), { strings: [string('old')], codes: [code('1')] })).toEqual({
    strings: [string('old')],
    codes: [code('1')],
  })
  const all = { strings: [string('old'), string('new')], codes: [code('1'), code('2')] }
  expect(await keepWellKnown(await open('a'), { strings: [string('new')], codes: [code('2'), code('1')] })).toEqual(all)
  expect(await keepWellKnown(await open('a'), { strings: [], codes: [] })).toEqual(all)
})

it('takes no more in when there are many, and drops none of the old', async () => {
  const many = Array.from({ length: 63 }, (_, i) => string(`http://127.0.0.1:${i}`))
  const store = await open('b')
  await keepWellKnown(store, { strings: many, codes: [] })
  const { strings } = await keepWellKnown(store, { strings: [string('64th'), string('65th')], codes: [] })
  expect(strings).toEqual([...many, string('64th')])
})

import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from '../support/gateway.js'

/** The programs as they are typed; none of them may begin its work to say what it is for. */
let data: string
beforeAll(async () => (data = await mkdtemp(join(tmpdir(), 'consentry-cli-'))))
afterAll(() => rm(data, { recursive: true, force: true }))

describe.each(['token', 'load', 'fsck', 'register', 'verify-receipt', 'demo'])('npm run %s', (program) => {
  it('says with --help what it takes', async () => {
    const { code, out, err } = await run(data, `cli/${program}.js`, ['--help'])
    expect([code, err]).toEqual([0, ''])
    expect(out).toMatch(new RegExp(`npm run (--silent )?${program}\\b`))
  })

  it('says so too for an option that it does not have, and does nothing', async () => {
    const { code, out, err } = await run(data, `cli/${program}.js`, ['--nonsense'])
    expect([code === 0, out]).toEqual([false, ''])
    expect(err).toMatch(/^Unknown option '--nonsense'\.\n/)
    expect(err).toMatch(new RegExp(`npm run (--silent )?${program}\\b`))
    expect(err).not.toMatch(/^ +at /m)
    expect(await readdir(data)).toEqual([])
  })
})

describe('what a command is given and cannot use', () => {
  const party = { id: `0x${'1'.repeat(64)}`, controller: `0x${'2'.repeat(40)}`, endpoint: 'http://127.0.0.1:1' }

  it.each([
    ['register', ['entity', JSON.stringify(party)], 'it has no encryptionKey as that has'],
    ['register', ['entity', JSON.stringify({ ...party, id: '0x1', encryptionKey: 'y' })], 'no id, encryptionKey as'],
    ['register', ['proxy', 'nonsense'], 'no id, controller, encryptionKey, endpoint as'],
    ['register', ['entity', JSON.stringify({ ...party, encryptionKey: `0x02${'3'.repeat(64)}` })], 'CONSENTRY_DATA'],
    ['verify-receipt', ['/nowhere/receipt.json'], '/nowhere/receipt.json cannot be read.'],
  ])('is told by npm run %s in one line: %j', async (program, given, why) => {
    const { code, out, err } = await run(data, `cli/${program}.js`, given)
    expect([code === 0, out]).toEqual([false, ''])
    expect(err).toContain(why)
    expect(err.trimEnd().split('\n')).toHaveLength(1)
    expect(err).not.toContain('ENOENT')
  })
})

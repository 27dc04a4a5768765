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

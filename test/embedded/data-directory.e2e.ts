import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openDataDirectory } from '../../src/embedded/data-directory.js'
import { built } from '../support/built.js'

let path: string
const module = built('embedded/data-directory.js')
beforeAll(async () => {
  path = await mkdtemp(join(tmpdir(), 'consentry-lock-'))
})
afterAll(() => rm(path, { recursive: true }))

/** A process that tries to take the lock, says whether it has it, and does nothing more. */
async function contender(): Promise<{ child: ChildProcess; holds: boolean }> {
  const script = `const { openDataDirectory } = await import(${JSON.stringify(module)})
    await openDataDirectory(${JSON.stringify(path)}).then(() => console.log('held'), () => console.log('refused'))
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [said] = (await once(child.stdout, 'data')) as [Buffer]
  return { child, holds: said.toString().startsWith('held') }
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

it('is refused to a second process, and free the moment the first is killed', async () => {
  for (let i = 0; i < 3; i++) {
    const { child, holds } = await contender()
    expect(holds).toBe(true)
    await expect(openDataDirectory(path)).rejects.toThrow(`in use by process ${child.pid}`)
    await kill(child)
    await (await openDataDirectory(path)).close()
  }
})

it('goes to exactly one of several that want it at once', async () => {
  const contenders = await Promise.all([contender(), contender(), contender(), contender()])
  expect(contenders.filter(({ holds }) => holds)).toHaveLength(1)
  await Promise.all(contenders.map(({ child }) => kill(child)))
})

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { built } from './support/built.js'

let data: string
let started: ChildProcess[] = []
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'consentry-main-'))
})
afterEach(async () => {
  await Promise.all(
    started
      .filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
      .map((child) => end(child, 'SIGKILL')),
  )
  started = []
  await rm(data, { recursive: true, force: true })
})

const environment = (extra: Record<string, string>) => ({
  PATH: process.env['PATH'],
  HOME: process.env['HOME'],
  CONSENTRY_DATA: data,
  PORT: '0',
  ...extra,
})

async function run(module: string, args: string[] = [], extra: Record<string, string> = {}) {
  const child = spawn(process.execPath, [built(module), ...args], {
    env: environment(extra),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [out, err] = [collect(child.stdout), collect(child.stderr)]
  const [code] = (await once(child, 'close')) as [number]
  return { code, out: out(), err: err() }
}

function collect(stream: NodeJS.ReadableStream): () => string {
  let text = ''
  stream.on('data', (data: Buffer) => (text += data.toString()))
  return () => text
}

/** Starts a gateway and waits for its ready line. */
async function gateway(extra: Record<string, string> = {}) {
  const child = spawn(process.execPath, [built('main.js')], {
    env: environment(extra),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  started.push(child)
  const err = collect(child.stderr)
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /ready: (\S+)/.exec(line)?.[1]
    if (url !== undefined) return { child, line, fhir: url }
  }
  throw new Error(`the gateway did not start: ${err()}`)
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<unknown[]> {
  const exited = once(child, 'exit')
  child.kill(signal)
  return exited
}

describe('npm start', () => {
  it('says where it is and how to get a token, and the token works', async () => {
    const { child, line, fhir } = await gateway()
    expect(line).toMatch(/^Consentry is ready: http:\/\/127\.0\.0\.1:\d+\/fhir .*npm run --silent token -- ehr/)
    const { code, out } = await run('cli/token.js', ['ehr'])
    expect(code).toBe(0)
    expect(out).toMatch(/^\S+\n$/)
    const answered = await fetch(`${fhir}/Nothing`, { headers: { authorization: `Bearer ${out.trim()}` } })
    expect(answered.status).toBe(404)
    expect((await run('cli/token.js', ['nobody'])).err).toContain('no demo client of that name')
    expect((await run('cli/token.js', [])).err).toContain('usage')
    expect(await end(child, 'SIGTERM')).toEqual([0, null])
  })

  it('refuses a second process on the same data, and starts again after a kill', async () => {
    const { child } = await gateway()
    const second = await run('main.js')
    expect(second.code).toBe(1)
    expect(second.err).toBe(
      `The data directory ${data} is in use by process ${child.pid}; stop it, or choose another with CONSENTRY_DATA.\n`,
    )
    await end(child, 'SIGKILL')
    expect((await run('cli/token.js', ['ehr'])).err).toContain('No gateway answers')
    const again = await gateway()
    expect((await run('cli/token.js', ['auditor'])).code).toBe(0)
    expect(await end(again.child, 'SIGINT')).toEqual([0, null])
    expect((await run('cli/token.js', ['ehr'])).err).toContain('No gateway has been started')
  })

  it('refuses to start on a wrong variable, by name', async () => {
    const { code, err } = await run('main.js', [], { PORT: 'eighty', GRANT_FINALITY: 'soon' })
    expect(code).toBe(1)
    expect(err).toMatch(/^The configuration is not usable:\n {2}PORT .*\n {2}GRANT_FINALITY .*\n$/)
  })
})

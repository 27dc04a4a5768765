import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { built } from './support/built.js'
import { end, run, startGateway, type RunningProcess } from './support/gateway.js'
import { preparedData } from './support/prepared-data.js'

let data: string
let started: RunningProcess[] = []
let directories: string[] = []
beforeEach(async () => use(await mkdtemp(join(tmpdir(), 'consentry-main-'))))
afterEach(async () => {
  // Killed, they would leave their chains.
  await Promise.all(started.map(({ child }) => end(child, 'SIGTERM')))
  started = []
  await Promise.all(directories.map((directory) => rm(directory, { recursive: true, force: true })))
  directories = []
})

function use(directory: string): void {
  data = directory
  directories.push(directory)
}

/** Without proxies, which only the first test is about. */
const ALONE = { EMBEDDED_PROXIES: '0' }

/** As after a first start, where that is not what the test is about. */
async function startedBefore(): Promise<void> {
  use(await preparedData('consentry-main-'))
}

async function gateway(extra: Record<string, string> = {}) {
  const running = await startGateway(data, extra)
  started.push(running)
  return running
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('npm start', () => {
  it('says where it is and how to get a token, and the token works', async () => {
    const { child, line, fhir, output } = await gateway()
    expect(line).toMatch(/^Consentry is ready: http:\/\/127\.0\.0\.1:\d+\/fhir .*npm run --silent token -- ehr/)
    // Of another data directory than the usual one: what the line says is of that one.
    expect(line).toContain(`(a token: CONSENTRY_DATA=${data} npm run --silent token -- ehr)`)
    const { code, out } = await run(data, 'cli/token.js', ['ehr'])
    expect(code).toBe(0)
    expect(out).toMatch(/^\S+\n$/)
    const answered = await fetch(`${fhir}/Nothing`, { headers: { authorization: `Bearer ${out.trim()}` } })
    expect(answered.status).toBe(404)
    const ready = await fetch(fhir.replace('/fhir', '/health/ready'))
    expect(await ready.json()).toEqual({ status: 'ready', parts: { database: 'ok', blocks: 'ok', chain: 'ok' } })
    expect((await run(data, 'cli/token.js', ['nobody'])).err).toContain('no demo client of that name')
    expect((await run(data, 'cli/token.js', [])).err).toContain('usage')
    const ended = await end(child, 'SIGTERM')
    expect(ended, output()).toEqual([0, null])
  })

  it('ends with the npm that started it: the signal reaches the program', async () => {
    await startedBefore()
    const env = { ...process.env, DATABASE_URL: undefined, CONSENTRY_DATA: data, PORT: '0', EMBEDDED_PROXIES: '0' }
    const npm = spawn('npm', ['start', '--ignore-scripts'], { env, stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = once(npm, 'exit')
    let said = ''
    for await (const text of npm.stdout) if ((said += String(text)).includes('Consentry is ready')) break
    const { pid } = JSON.parse(await readFile(join(data, 'running.json'), 'utf8')) as { pid: number }
    npm.kill('SIGTERM')
    await ended
    await expect.poll(() => isAlive(pid), { timeout: 30_000 }).toBe(false)
  })

  it('refuses a second process on the same data, and starts again after a kill', async () => {
    await startedBefore()
    const { child } = await gateway(ALONE)
    const second = await run(data, 'main.js', [], ALONE)
    expect(second.code).toBe(1)
    expect(second.err).toBe(
      `The data directory ${data} is in use by process ${child.pid}; stop it, or choose another with CONSENTRY_DATA.\n`,
    )
    await end(child, 'SIGKILL')
    expect((await run(data, 'cli/token.js', ['ehr'])).err).toContain('No gateway answers')
    const again = await gateway(ALONE)
    expect((await run(data, 'cli/token.js', ['auditor'])).code).toBe(0)
    expect(await end(again.child, 'SIGINT')).toEqual([0, null])
    expect((await run(data, 'cli/token.js', ['ehr'])).err).toContain('No gateway has been started')
  })

  it('makes nothing when its port is taken, and says so; by itself too', async () => {
    const taken = createServer()
    await once(taken.listen(0, '127.0.0.1'), 'listening')
    const { port } = taken.address() as AddressInfo
    const { code, err } = await run(data, 'main.js', [], { PORT: String(port), EMBEDDED_PROXIES: '0' })
    taken.close()
    expect([code, err]).toEqual([1, expect.stringContaining(`PORT ${port} of 127.0.0.1 is in use`)])
    expect((await readdir(data)).filter((name) => !name.startsWith('lock'))).toEqual([])
    await startedBefore()
    const { fhir } = await gateway(ALONE)
    const twice = await run(data, 'main.js', [], { PORT: new URL(fhir).port })
    expect([twice.code, twice.err]).toEqual([1, expect.stringContaining(`${data} is in use by process`)])
  })

  it('leaves no chain running where the contracts that are configured are of another one', async () => {
    await startedBefore()
    const known = JSON.parse(await readFile(join(data, 'deployment.json'), 'utf8')) as object
    const LEDGER_DEPLOYMENT = JSON.stringify({ ...known, chainId: 1 })
    const { code, err } = await run(data, 'main.js', [], { LEDGER_DEPLOYMENT, EMBEDDED_PROXIES: '0' })
    expect([code, err]).toEqual([1, expect.stringMatching(/^The node at .* is of chain 31337, our .* chain 1\.\n$/)])
    expect(JSON.parse(await readFile(join(data, 'chain', 'chain.json'), 'utf8'))).toMatchObject({ pid: 0 })
  })

  it('says in its log what becomes of its chain', async () => {
    await startedBefore()
    const taken = createServer()
    await once(taken.listen(0, '127.0.0.1'), 'listening')
    const { port } = taken.address() as AddressInfo
    const settings = join(data, 'chain', 'chain.json')
    const before = JSON.parse(await readFile(settings, 'utf8')) as object
    await writeFile(settings, JSON.stringify({ ...before, port }))
    const env = { ...process.env, DATABASE_URL: undefined, CONSENTRY_DATA: data, PORT: '0', EMBEDDED_PROXIES: '0' }
    const child = spawn(process.execPath, [built('main.js')], { env, stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    for await (const text of child.stdout) if ((said += String(text)).includes('Consentry is ready')) break
    taken.close()
    await end(child, 'SIGTERM')
    expect(said).toContain(`Port ${port} of the embedded chain is taken`)
  })

  it('refuses to start on a wrong variable, by name', async () => {
    const { code, err } = await run(data, 'main.js', [], { PORT: 'eighty', GRANT_FINALITY: 'soon' })
    expect(code).toBe(1)
    expect(err).toMatch(/^The configuration is not usable:\n {2}PORT .*\n {2}GRANT_FINALITY .*\n$/)
  })

  it.each([
    ['HOST', '192.0.2.1', 'no address of this machine'],
    ['FHIR_PACKAGES', '/nowhere/packages', 'no folder'],
    ['FHIR_PROFILES', 'http://example.org/nowhere', 'The profile http://example.org/nowhere is not loaded'],
    ['CONSENTRY_DATA', fileURLToPath(import.meta.url), 'expected a directory'],
    ['CONSENTRY_DATA', '/proc/nowhere/data', 'expected a directory'],
    ['CONSENTRY_DATA', '/proc', 'expected a directory'],
    ['ETH_RPC_URL', 'http://127.0.0.1:9', 'The Ethereum node at 127.0.0.1:9 does not answer'],
    ['DATABASE_URL', 'postgres://somebody:secret@127.0.0.1:9/x', 'does not answer (127.0.0.1:9)'],
    ['IPFS_API_URL', 'http://127.0.0.1:9', 'does not answer (127.0.0.1:9)'],
  ])('refuses to start on a %s that leads nowhere, by name and in one line', async (name, value, why) => {
    const { code, out, err } = await run(data, 'main.js', [], { [name]: value, EMBEDDED_PROXIES: '0' })
    expect([code, out]).toEqual([1, ''])
    expect(err).toMatch(new RegExp(`^(The configuration is not usable:\n {2})?${name} .*\n$`))
    expect(err).toContain(why)
    expect(err).not.toContain('secret')
  })
})

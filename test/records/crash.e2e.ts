import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startPglite } from '../../src/embedded/pglite.js'
import { openDatabase } from '../../src/records/database.js'
import { RecordStore } from '../../src/records/record-store.js'
import { built } from '../support/built.js'
import { pgliteDirectory } from '../support/pglite-template.js'
import { index } from './versions.js'

let directory: string
beforeAll(async () => {
  directory = await pgliteDirectory()
})
afterAll(() => rm(directory, { recursive: true }))

const ROWS = 3
const PARALLEL = 4

/**
 * Commits without end: creates and then new versions, three resources and an audit record at a time, and says
 * `begin|done <commit> <version>` before and after each.
 */
const SCRIPT = `
  const [{ startPglite }, { openDatabase }, { RecordStore }, { BlindIndex }] = await Promise.all(
    ${JSON.stringify(['embedded/pglite.js', 'records/database.js', 'records/record-store.js', 'records/blind-index.js'])}
      .map((module) => import(process.argv[1].replace('records/record-store.js', module))))
  const { driver } = await startPglite(process.argv[2])
  const store = new RecordStore(await openDatabase({ driver }), new BlindIndex(Buffer.alloc(32, 7)))
  const hex = '0x' + '11'.repeat(32)
  const made = (type, id, version) => ({ type, id, version, lastUpdated: Date.now(), deleted: false, patient: null, origin: hex,
    labels: 1n, categories: 1n, index: { tokens: [1n, 2n], references: [{ parameter: 'a', targetType: 'B', targetId: id }], ordered: [] },
    cid: id + '/' + version, body: null, contentHash: Buffer.alloc(32), salt: null, author: hex, source: null, leaf: Buffer.alloc(32) })
  const loop = async (lane) => {
    for (let n = 0; ; n++) {
      const name = process.argv[3] + '-' + lane + '-' + n
      for (const version of [1, 2]) {
        const audit = { ...made('AuditEvent', name + '-audit-' + version, 1), auditLeaf: { hash: Buffer.alloc(32), salt: Buffer.alloc(16) } }
        const versions = Array.from({ length: ${ROWS} }, (_, i) => made('Thing', name + '-' + i, version))
        console.log('begin ' + name + ' ' + version)
        const result = await store.commit({ versions, audit: [audit], outbox: [{ kind: 'k', key: name + version, payload: {} }] })
        if (!result.committed) throw new Error('conflict')
        console.log('done ' + name + ' ' + version)
      }
    }
  }
  for (let lane = 0; lane < ${PARALLEL}; lane++) loop(lane)
`

/** What a child said: how far each of its commits had come. */
interface Told {
  readonly begun: Map<string, number>
  readonly done: Map<string, number>
}

async function commitUntilKilled(round: number, after: number, told: Told): Promise<void> {
  const child: ChildProcess = spawn(
    process.execPath,
    ['--input-type=module', '-e', SCRIPT, built('records/record-store.js'), directory, String(round)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  let acknowledged = 0
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    const [word, name, version] = line.split(' ') as [string, string, string]
    ;(word === 'done' ? told.done : told.begun).set(name, Number(version))
    if (word === 'done' && ++acknowledged === after) child.kill('SIGKILL')
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  expect(child.signalCode).toBe('SIGKILL')
}

it('keeps every acknowledged commit through kill -9, and no half of any other', async () => {
  const told: Told = { begun: new Map(), done: new Map() }
  for (const [round, after] of [7, 40, 90].entries()) await commitUntilKilled(round, after, told)
  expect(told.done.size).toBeGreaterThan(40)

  const pglite = await startPglite(directory)
  const database = await openDatabase({ driver: pglite.driver })
  const store = new RecordStore(database, index)
  for (const [name, begun] of told.begun) {
    const things = await store.read(Array.from({ length: ROWS }, (_, i) => ({ type: 'Thing', id: `${name}-${i}` })))
    const versions = new Set(things.map((thing) => thing?.version ?? 0))
    expect([name, versions.size]).toEqual([name, 1])
    const [version = 0] = versions
    expect(version).toBeGreaterThanOrEqual(told.done.get(name) ?? 0)
    expect(version).toBeLessThanOrEqual(begun)
    for (const [i, thing] of things.entries()) if (thing) expect(thing.cid).toBe(`${name}-${i}/${version}`)
    const hung = await database.query<{ n: bigint }>(
      `SELECT (SELECT count(*) FROM resource WHERE type = 'AuditEvent' AND id LIKE $1) AS n
       UNION ALL SELECT count(*) FROM outbox WHERE key LIKE $2
       UNION ALL SELECT count(*) FROM reference WHERE target_id LIKE $3 AND target_id NOT LIKE $1
       UNION ALL SELECT count(*) FROM resource_version WHERE cid LIKE $4 AND cid NOT LIKE $1`,
      [`${name}-audit-%`, `${name}_`, `${name}-_`, `${name}-_/_`],
    )
    expect(hung.rows.map(({ n }) => Number(n))).toEqual([version, version, version === 0 ? 0 : ROWS, version * ROWS])
  }
  await database.close()
  await pglite.close()
}, 120_000)

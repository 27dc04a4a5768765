import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { appendFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { patientRecord, STORY } from '../../src/cli/story/patient-record.js'
import { startPglite } from '../../src/embedded/pglite.js'
import { type JsonValue, parseJson } from '../../src/fhir/json.js'
import { type Database, openDatabase } from '../../src/records/database.js'
import { end, run, startGateway } from '../support/gateway.js'
import { hasSharedData, listShared, readShared, SHARED_DATA } from '../support/shared-data.js'
import { Needles, tellingTexts } from './needles.js'

const SET = 'synthea/2019-smart'
/** `PATIENTS=110` for the whole set. */
const PATIENTS = Number(process.env['PATIENTS'] ?? 3)

describe('a gateway that was loaded', () => {
  const data = mkdtempSync(join(tmpdir(), 'consentry-leak-'))
  const sent = mkdtempSync(join(tmpdir(), 'consentry-leak-sent-'))
  let texts: Set<string>
  let needles: Needles

  beforeAll(async () => {
    const empty = await startGateway(data, { EMBEDDED_PROXIES: '0' })
    await end(empty.child, 'SIGTERM')
    const before = filesUnder(data)

    const record = JSON.stringify(patientRecord().bundle)
    writeFileSync(join(sent, 'story.json'), record)
    const files = syntheaFiles()
    const contents = [parseJson(record), ...files.map((file) => readShared(SET, file) as unknown as JsonValue)]
    const all = new Set(contents.flatMap((content) => [...tellingTexts(content)]))
    // What stands in the files of an empty gateway says nothing: words of PostgreSQL's catalogue.
    const known = new Needles(all)
    for (const bytes of before.values()) for (const text of known.in(bytes)) all.delete(text)
    texts = all
    needles = new Needles(texts)

    const gateway = await startGateway(data, { EMBEDDED_PROXIES: '0' })
    const paths = [join(sent, 'story.json'), ...files.map((file) => join(SHARED_DATA, SET, file))]
    const { code, out, err } = await run(data, 'cli/load.js', paths)
    expect([code, err.includes('refused'), out.includes('; 0 refused') || out.includes(' 0 refused')]).toEqual([
      0,
      false,
      true,
    ])
    await end(gateway.child, 'SIGTERM')
  }, 600_000)
  afterAll(async () => {
    await rm(data, { recursive: true, force: true })
    await rm(sent, { recursive: true, force: true })
  })

  it('knows what to look for', () => {
    expect([...texts]).toEqual(
      expect.arrayContaining([STORY.family, STORY.birthDate, STORY.street, STORY.identifier.value]),
    )
    expect(texts.size).toBeGreaterThan(hasSharedData ? 200 : 10)
  })

  it('has no name, street, identifier, birth date or code in any file: blocks, database, chain, logs', () => {
    const files = filesUnder(data)
    expect([...files.keys()].filter((name) => /^(pglite|blocks|chain)\//.test(name)).length).toBeGreaterThan(10)
    for (const [name, bytes] of files) expect([name, ...needles.in(bytes)]).toEqual([name])
  })

  it('has none in a dump of the database', async () => {
    await withDatabase(data, async (database) => expect(await foundInTables(database, needles)).toEqual([]))
  })

  it('would show one that is planted, in a table, in a file, and in other clothes', async () => {
    await withDatabase(data, async (database) => {
      await database.query('CREATE TABLE careless (a text, b bytea, c text[])')
      await database.query('INSERT INTO careless VALUES ($1, $2, $3)', [
        'Frau ALDENHOVEN-KRUGER',
        Buffer.from(STORY.street, 'utf16le'),
        [Buffer.from(`x${STORY.identifier.value}`).toString('base64')],
      ])
      const planted = [STORY.family, STORY.identifier.value, STORY.street]
      expect((await foundInTables(database, needles)).sort()).toEqual(planted.sort())
    })
    const block = readdirSync(join(data, 'blocks'))[0] as string
    await appendFile(join(data, 'blocks', block), Buffer.from(STORY.birthDate).toString('hex'))
    const found = [...filesUnder(data).values()].flatMap((bytes) => [...needles.in(bytes)])
    expect(found).toEqual(expect.arrayContaining([STORY.birthDate, STORY.street]))
  })
})

function syntheaFiles(): string[] {
  const files = listShared(SET)
  const everybodys = files.filter((name) => /^(hospital|practitioner)/.test(name))
  return [...everybodys, ...files.filter((name) => !everybodys.includes(name)).slice(0, hasSharedData ? PATIENTS : 0)]
}

function filesUnder(directory: string): Map<string, Buffer> {
  return new Map(
    readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(directory.length + 1), readFileSync(path)]),
  )
}

async function withDatabase(data: string, use: (database: Database) => Promise<void>): Promise<void> {
  const pglite = await startPglite(join(data, 'pglite'))
  const database = await openDatabase({ driver: pglite.driver })
  try {
    await use(database)
    await database.query('CHECKPOINT')
  } finally {
    await database.close()
    await pglite.close()
  }
}

/**
 * Every value of every row as text, binary ones as their bytes. Numbers are left out: index tokens are random digits, in
 * which short codes occur by chance.
 */
async function foundInTables(database: Database, needles: Needles): Promise<string[]> {
  const { rows: columns } = await database.query<{ table_name: string; column_name: string; data_type: string }>(
    `SELECT table_name, column_name, data_type FROM information_schema.columns
     WHERE table_schema NOT IN ('pg_catalog', 'information_schema')
       AND udt_name NOT IN ('int2', 'int4', 'int8', '_int2', '_int4', '_int8', 'bool')`,
  )
  const found = new Set<string>()
  for (const { table_name: table, column_name: column, data_type: type } of columns) {
    const cast = type === 'bytea' ? `"${column}"` : `convert_to("${column}"::text, 'UTF8')`
    const { rows } = await database.query<{ value: Buffer | null }>(`SELECT ${cast} AS value FROM "${table}"`)
    for (const { value } of rows) if (value !== null) for (const text of needles.in(value)) found.add(text)
  }
  return [...found]
}

import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startPglite, type Pglite } from '../../src/embedded/pglite.js'
import { indexValues } from '../../src/fhir/search-parameters.js'
import type { ValidResource } from '../../src/fhir/types.js'
import { type Database, openDatabase } from '../../src/records/database.js'
import { RecordStore } from '../../src/records/record-store.js'
import type { IndexValue } from '../../src/records/search-query.js'
import { pgliteDirectory } from '../support/pglite-template.js'
import { hasSharedData, listShared, readShared } from '../support/shared-data.js'
import { auditRecord, index, version } from './versions.js'

/** A record of known content, in each of the kinds that are indexed. */
const KNOWN: Record<string, readonly IndexValue[]> = {
  Patient: [
    { param: 'family', kind: 'string', value: 'Quillfeather', normal: 'quillfeather' },
    { param: 'given', kind: 'string', value: 'Zbigniew-Ötzi', normal: 'zbigniew otzi' },
    { param: 'address', kind: 'string', value: '17 Wurzelgasse', normal: '17 wurzelgasse' },
    { param: 'identifier', kind: 'token', system: 'http://hospital.example/mrn', code: 'mrn-55512345', sort: 'text' },
    { param: 'birthdate', kind: 'date', lo: Date.UTC(1961, 3, 17), hi: Date.UTC(1961, 3, 18) },
  ],
  Location: [
    { param: 'near', kind: 'position', lat: 48.21987654321, lon: 16.34123456789 },
    { param: '_text', kind: 'token', words: ['spiegelgrundhof', 'isolierstation'] },
  ],
  Observation: [
    { param: 'code', kind: 'token', system: 'http://loinc.org', code: '75622-1', sort: 'name' },
    { param: 'code', kind: 'group', members: [JSON.stringify(['http://groups.example', 'viral-load-group'])] },
    {
      param: 'value-quantity',
      kind: 'quantity',
      value: '1487.25',
      lo: '1487.245',
      hi: '1487.255',
      system: 'http://unitsofmeasure.org',
      code: 'copies/mL',
      unit: 'copies per mL',
    },
    { param: 'instantiates', kind: 'uri', value: 'http://protocols.example/hiv-viral-load', sort: 'name' },
    {
      param: 'subject',
      kind: 'reference',
      identifier: { system: 'http://hospital.example/mrn', value: 'mrn-55512345' },
    },
    { param: 'derived-from', kind: 'reference', url: 'http://elsewhere.example/fhir/Observation/99887766' },
  ],
}

describe('a dump of the database', () => {
  let directory: string
  let pglite: Pglite
  let database: Database
  let empty: Map<string, Buffer>
  beforeAll(async () => {
    directory = await pgliteDirectory()
    pglite = await startPglite(directory)
    database = await openDatabase({ driver: pglite.driver })
    await database.query('CHECKPOINT')
    empty = files(directory)
  })
  afterAll(async () => {
    await database.close()
    await pglite.close()
    await rm(directory, { recursive: true })
  })

  async function commit(resources: Iterable<readonly [type: string, values: readonly IndexValue[]]>): Promise<void> {
    const store = new RecordStore(database, index)
    const versions = [...resources].map(([type, values]) => version({ type, values, body: randomBytes(50) }))
    const audit = versions.map(() => auditRecord({ values: KNOWN['Patient'] ?? [] }))
    expect(await store.commit({ versions, audit })).toEqual({ committed: true })
  }

  /** As they are, or in hexadecimal where a column is binary. */
  async function foundInTables(wanted: readonly string[]): Promise<string[]> {
    const dump = await tables(database)
    return [...found(dump, wanted), ...found(dump, wanted, 'hex')]
  }

  it('has no text, code, number or date of a known record in its tables', async () => {
    await commit(Object.entries(KNOWN))
    const dump = await tables(database)
    // the rows are there
    expect(dump.toString('latin1')).toContain('AuditEvent')
    expect(await foundInTables(Object.values(KNOWN).flatMap(needles))).toEqual([])
  })

  it.skipIf(!hasSharedData)('has none of a Synthea patient, in tables, files and log', async () => {
    const file = listShared('synthea', '2019-smart').find((name) => !/^(hospital|practitioner)/.test(name)) as string
    const bundle = readShared('synthea', '2019-smart', file) as unknown as { entry: { resource: ValidResource }[] }
    const values = bundle.entry.map(({ resource }) => [resource.resourceType, indexValues(resource)] as const)
    await commit(values)
    await database.query('CHECKPOINT')
    const named = new Set([
      ...SCHEMA,
      ...values.flatMap(([type, one]) => [type.toLowerCase(), ...one.map(({ param }) => param)]),
    ])
    const wanted = [...new Set(values.flatMap(([, one]) => needles(one)))].filter((one) => !named.has(one))
    expect(wanted.length).toBeGreaterThan(200)
    expect(await foundInTables(wanted)).toEqual([])
    // words of the catalogue are in an empty database too and say nothing
    // four letters, large or small, stand by chance in one of some ten clusters: binary columns are as they are there
    const long = wanted.filter(({ length }) => length >= 6)
    const suspect = found(changed(empty, files(directory)), long)
    const catalogue = found(Buffer.concat([...empty.values()]), suspect)
    expect(suspect.filter((one) => !catalogue.includes(one))).toEqual([])
    expect(long.length - catalogue.length).toBeGreaterThan(200)
  })

  it('would show a text that is stored in the clear', async () => {
    await database.query("CREATE TABLE careless (v text); INSERT INTO careless VALUES ('Herr Quillfeather')")
    expect(await foundInTables(needles(KNOWN['Patient'] ?? []))).toEqual(['quillfeather'])
    await database.query('CHECKPOINT')
    expect(found(changed(empty, files(directory)), needles(KNOWN['Patient'] ?? []))).toEqual(['quillfeather'])
    await database.query(
      "CREATE TABLE careless_times (v timestamptz, w bytea); INSERT INTO careless_times VALUES ('1961-04-17', '1487.25')",
    )
    const all = [...needles(KNOWN['Patient'] ?? []), ...needles(KNOWN['Observation'] ?? [])]
    expect((await foundInTables(all)).sort()).toEqual(['1487.25', '1961-04-17', 'quillfeather'])
    await database.query('DROP TABLE careless; DROP TABLE careless_times')
  })
})

/** Shorter ones are names of tables and columns too. */
const longWords = (words: readonly string[] = []): string[] => words.filter(({ length }) => length >= 8)

/** What must not be found, in small letters: texts of four characters and more, and the days and instants of dates. */
function needles(values: readonly IndexValue[]): string[] {
  return (
    values
      .flatMap((value): (string | undefined)[] => {
        switch (value.kind) {
          case 'token':
            return [value.system, value.code, ...longWords(value.words)]
          case 'string':
            return [value.value, value.normal]
          case 'uri':
            return [value.value]
          case 'reference':
            return [value.url, value.identifier?.system, value.identifier?.value]
          case 'date':
            return [new Date(value.lo).toISOString().slice(0, 10), String(value.lo)]
          case 'group':
            return value.members.flatMap((member) => JSON.parse(member) as string[])
          case 'position':
            return [String(value.lat), String(value.lon)]
          case 'composite':
            return needles(value.parts.flat())
          default:
            return [value.value, value.kind === 'quantity' ? value.unit : undefined]
        }
      })
      .flatMap((text) => text?.toLowerCase() ?? [])
      // a few digits stand in any random bytes
      .filter((text) => text.length >= (/^[0-9a-f]+$/.test(text) ? 10 : 4) && !SCHEMA.has(text))
  )
}

/** Words of the schema itself. */
const SCHEMA = new Set(['true', 'false'])

/** Those needles that are in the haystack. */
function found(haystack: Buffer, wanted: readonly string[], encoding: 'latin1' | 'hex' = 'latin1'): string[] {
  const text = haystack.toString('latin1').toLowerCase()
  return [...new Set(wanted)].filter((needle) => {
    const plain = Buffer.from(needle).toString(encoding)
    if (!text.includes(plain)) return false
    // a code such as 718-7 also stands where two parts of a UUID meet
    return (
      encoding === 'hex' || !/^[0-9a-f-]+$/.test(plain) || new RegExp(`(?<![0-9a-f-])${plain}(?![0-9a-f-])`).test(text)
    )
  })
}

/** Every row of every table as text; binary columns in hexadecimal. */
async function tables(database: Database): Promise<Buffer> {
  const { rows } = await database.query<{ name: string }>(
    "SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'public'",
  )
  const parts: string[] = []
  for (const { name } of rows) {
    const dump = await database.query<{ line: string }>(`SELECT t::text AS line FROM ${name} t`)
    parts.push(...dump.rows.map(({ line }) => line))
  }
  return Buffer.from(parts.join('\n'))
}

/** Files of a cluster: tables, indexes, catalogue and write-ahead log. */
function files(directory: string): Map<string, Buffer> {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const paths = entries.map((entry) => join(entry.parentPath, entry.name))
  return new Map(paths.map((path) => [path, readFileSync(path)]))
}

const BLOCK = 8192

/** The blocks that are not as they were. */
function changed(before: Map<string, Buffer>, after: Map<string, Buffer>): Buffer {
  const blocks: Buffer[] = []
  for (const [path, bytes] of after) {
    for (let at = 0; at < bytes.length; at += BLOCK) {
      const block = bytes.subarray(at, at + BLOCK)
      if (
        !before
          .get(path)
          ?.subarray(at, at + BLOCK)
          .equals(block)
      )
        blocks.push(block)
    }
  }
  return Buffer.concat(blocks)
}

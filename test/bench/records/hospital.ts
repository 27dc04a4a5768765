import { randomBytes, randomUUID } from 'node:crypto'
import { indexValues } from '../../../src/fhir/search-parameters.js'
import type { ValidResource } from '../../../src/fhir/types.js'
import type { Database } from '../../../src/records/database.js'
import type { RecordStore } from '../../../src/records/record-store.js'
import type { IndexValue } from '../../../src/records/search-query.js'
import type { NewVersion, RowFilter } from '../../../src/records/types.js'
import { auditRecord, code, hex, version } from '../../records/versions.js'
import { syntheaResources } from '../../support/shared-data.js'
import { type Cost, cost, of, print } from './cost.js'

/** As many entries as a Synthea Observation has. */
export const TYPICAL: readonly IndexValue[] = Array.from({ length: 9 }, (_, i) =>
  code(`p${i}`, 'http://loinc.org', `${i % 3}`),
)

export function typical(): NewVersion {
  const made = randomUUID()
  const at = Math.floor(Math.random() * 1e12)
  const reference = (param: string, type: string): IndexValue => ({ param, kind: 'reference', type, id: made })
  return version({
    id: made,
    patient: hex(),
    values: [
      ...TYPICAL,
      code('identifier', 'urn:mrn', made),
      { param: 'date', kind: 'date', lo: at, hi: at + 1000 },
      {
        param: 'value-quantity',
        kind: 'quantity',
        value: String(at % 1000),
        lo: '0',
        hi: '0',
        system: 'http://unitsofmeasure.org',
        code: 'mg',
      },
      reference('subject', 'Patient'),
      reference('patient', 'Patient'),
      reference('encounter', 'Encounter'),
    ],
  })
}

/** Resources of every `step`-th Bundle, with references made local. */
export function synthea(step: number): { resourceType: string; id: string; values: IndexValue[] }[] {
  return syntheaResources('2019-smart', step).map((resource) => {
    const text = JSON.stringify(resource).replaceAll(
      /"reference":"urn:uuid:([0-9a-f-]{36})"/g,
      '"reference":"Patient/$1"',
    )
    const local = JSON.parse(text) as ValidResource & { id: string }
    return { resourceType: local.resourceType, id: local.id, values: indexValues(local) }
  })
}

export async function load(engine: string, store: RecordStore): Promise<string[]> {
  const resources = synthea(3)
  const patients: string[] = []
  const costs: Cost[] = []
  let patient = hex()
  for (let at = 0; at < resources.length; at += 100) {
    const batch = resources.slice(at, at + 100)
    const versions = batch.map(({ resourceType: type, id, values }) => {
      if (type === 'Patient') {
        patients.push(id)
        patient = hex()
      }
      return version({ type, id, patient, values, lastUpdated: Date.now() })
    })
    const audit = batch.map(() => auditRecord({ patient, values: TYPICAL }))
    costs.push(await cost(() => store.commit({ versions, audit })))
  }
  print(
    `${engine}: load ${resources.length} resources with an audit record each, by 100`,
    [of(costs, 'wall') * 10, 'µs/resource'],
    [of(costs, 'main') * 10, 'µs main thread'],
    [of(costs, 'cpu') * 10, 'µs all threads'],
  )
  return patients
}

/** The form of consent's row filter, with a grant for every patient. */
export async function grantEverything(database: Database): Promise<RowFilter> {
  const grantee = randomBytes(32)
  await database.query(
    `INSERT INTO "grant" SELECT DISTINCT patient, $1::bytea, -1, 0, 0, 1000000000000, 255, -1, 1, 0 FROM resource WHERE patient IS NOT NULL`,
    [grantee],
  )
  await database.query('ANALYZE "grant"')
  return {
    sql: `CASE WHEN r.patient IS NULL THEN r.origin = ANY($1::bytea[]) ELSE r.labels & (
      SELECT bit_or(g.label_mask) FROM "grant" g WHERE g.patient = r.patient AND g.grantee = ANY($1::bytea[]) AND g.action = $2
        AND g.valid_from <= $3 AND g.valid_to > $3 AND (g.purposes & $4) <> 0 AND (g.categories & r.categories) = r.categories
    ) = r.labels END`,
    params: [[grantee], 0, 1, 1],
  }
}

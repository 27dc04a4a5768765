import { randomBytes, randomUUID } from 'node:crypto'
import { BlindIndex } from '../../src/records/blind-index.js'
import type { IndexValue } from '../../src/records/search-query.js'
import type { Hex, NewAuditRecord, NewVersion, RowFilter } from '../../src/records/types.js'

export const INDEX_KEY = Buffer.alloc(32, 7)
export const index = new BlindIndex(INDEX_KEY)

/** A consent that permits everything. */
export const EVERYTHING: RowFilter = { sql: 'true', params: [] }

export function hex(): Hex {
  return `0x${randomBytes(32).toString('hex')}`
}

export const OURS = hex()

type Wanted = Partial<NewVersion> & { values?: readonly IndexValue[] }

/** A new resource, or another version of one with `id` and `version`. */
export function version({ values, ...given }: Wanted = {}): NewVersion {
  const type = given.type ?? 'Observation'
  return {
    type,
    id: randomUUID(),
    version: 1,
    lastUpdated: Date.now(),
    deleted: false,
    patient: null,
    origin: OURS,
    labels: 1n,
    categories: 1n,
    index: given.deleted ? null : index.entries(type, values ?? []),
    cid: `bafyrei${randomBytes(26).toString('hex')}`,
    body: null,
    contentHash: randomBytes(32),
    salt: null,
    author: given.origin ?? OURS,
    source: null,
    leaf: randomBytes(32),
    ...given,
  }
}

/** The version after `before`. */
export function next(before: NewVersion, given: Wanted = {}): NewVersion {
  return version({
    ...before,
    index: null,
    version: before.version + 1,
    ...given,
    ...(given.values ? indexed(before.type, given) : {}),
  })
}

function indexed(type: string, { values }: Wanted): Partial<NewVersion> {
  return { index: index.entries(type, values ?? []) }
}

export function auditRecord(given: Wanted = {}): NewAuditRecord {
  return {
    ...version({ type: 'AuditEvent', body: randomBytes(600), cid: null, leaf: null, ...given }),
    auditLeaf: { hash: randomBytes(32), salt: randomBytes(16) },
  }
}

export function code(param: string, system: string | undefined, value: string): IndexValue {
  return { param, kind: 'token', code: value, ...(system === undefined ? {} : { system }) }
}

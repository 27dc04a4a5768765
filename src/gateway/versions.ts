import { setImmediate as nextTurn } from 'node:timers/promises'
import type { RecordSubject } from '../consent/permit.js'
import { stringify } from '../fhir/json.js'
import { indexValues } from '../fhir/search-parameters.js'
import type { Resource, ValidResource } from '../fhir/types.js'
import type { IndexEntries, Method, NewVersion } from '../records/types.js'
import type { GatewayParts } from './parts.js'

/** A version that is to be written, before it is sealed. */
export interface Draft {
  readonly type: string
  readonly id: string
  readonly version: number
  /** Milliseconds since the epoch. */
  readonly lastUpdated: number
  readonly deleted: boolean
  readonly subject: RecordSubject
  /** As it is stored; `stamped` makes it. */
  readonly resource: Resource
  /** How a client asked for it; absent: the server writes it by itself. */
  readonly method?: Method
  readonly operation?: string
}

/** Seals the bodies into durable blocks. @returns the rows, and the bodies as stored, in the order of the drafts */
export async function sealVersions(
  parts: Pick<GatewayParts, 'bodies' | 'index'>,
  drafts: readonly Draft[],
): Promise<{ versions: NewVersion[]; bodies: Uint8Array[] }> {
  const bodies = drafts.map(({ resource }) => Buffer.from(stringify(resource)))
  // Sealing is another thread's and writing blocks the disk's: the index entries are made meanwhile.
  const [sealed, index] = await Promise.all([
    parts.bodies.seal(
      drafts.map(({ type, id, version, subject }, i) => ({
        ...subject,
        // What names several patients is sealed as the entity's own: whoever holds the keys of one of them does not hold those of all.
        patient: (subject.others ?? []).length === 0 ? subject.patient : null,
        type,
        id,
        version,
        body: bodies[i] as Buffer,
      })),
    ),
    nextTurn().then(() => drafts.map((draft) => indexOf(parts, draft))),
  ])
  const versions = drafts.map(
    ({ type, id, version, lastUpdated, deleted, subject, method, operation }, i): NewVersion => ({
      type,
      id,
      version,
      lastUpdated,
      deleted,
      ...subject,
      index: index[i] ?? null,
      body: null,
      source: null,
      ...(method === undefined ? {} : { method }),
      ...(operation === undefined ? {} : { operation }),
      ...(sealed[i] as (typeof sealed)[number]),
    }),
  )
  return { versions, bodies }
}

function indexOf(parts: Pick<GatewayParts, 'index'>, { type, deleted, resource }: Draft): IndexEntries | null {
  return deleted ? null : parts.index.entries(type, indexValues(resource as ValidResource))
}

/** With the id and version that the server gives. */
export function stamped(resource: Resource, id: string, version: number, lastUpdated: number): Resource {
  const { resourceType, id: _id, meta, ...elements } = resource
  const stamp = { versionId: String(version), lastUpdated: new Date(lastUpdated).toISOString() }
  return { resourceType, id, meta: { ...meta, ...stamp }, ...elements }
}

import { hash, randomBytes, randomUUID } from 'node:crypto'
import { AUDIT } from '../consent/labels.js'
import type { PartyId, PatientId } from '../consent/permit.js'
import { indexValues } from '../fhir/search-parameters.js'
import type { Resource, ValidResource } from '../fhir/types.js'
import type { BlindIndex } from '../records/blind-index.js'
import { joined } from '../records/entry-lists.js'
import type { IndexEntries, NewAuditRecord } from '../records/types.js'
import { auditEvents, type SharedElements, type SharedParts } from './balp.js'
import { type CanonicalMember, canonicalMembers, canonicalObject } from './canonical-json.js'
import type { Occurrence } from './occurrence.js'

/** A record of the trail before it has an id. */
export interface TrailRecord {
  readonly resource: Resource
  /** Further elements of the resource, which other records of the batch have too, in the same object: worked out once. */
  readonly shared?: SharedElements
  readonly patient: PatientId | null
}

/** Seals bodies that lie in their row. */
export type SealInline = (
  items: readonly {
    readonly id: string
    readonly version: number
    readonly body: Uint8Array
    /** The envelope is bound to the patient as well: the row cannot be given to another. */
    readonly patient: PatientId | null
  }[],
) => Promise<{ readonly body: Uint8Array; readonly contentHash: Uint8Array; readonly salt: Uint8Array }[]>

/** Category bits of the trail: it is outside of the clinical categories. */
const UNCATEGORISED = 1n

/**
 * Makes the rows of AuditEvents and ledger Provenances. The body is the RFC 8785 form of the resource, and its leaf
 * in the verifiable log is SHA-256(00 ‖ salt ‖ body) with a random salt of 32 bytes (RFC 9162, section 2.1.1, over
 * salt ‖ body): without the salt a leaf says nothing about what was logged, and erasing salt and body leaves the proofs.
 */
export class AuditTrail {
  constructor(
    private readonly entity: PartyId,
    private readonly baseUrl: string,
    private readonly index: BlindIndex,
    private readonly seal: SealInline,
  ) {}

  /** Rows of AuditEvents for what happened; commit them before the client is told. */
  async records(occurrences: readonly Occurrence[]): Promise<NewAuditRecord[]> {
    const source = { entity: this.entity, baseUrl: this.baseUrl }
    const batch: SharedParts = new Map()
    return this.rows(
      occurrences.flatMap((occurrence) =>
        auditEvents(occurrence, source, batch).map((parts, i) => ({
          ...parts,
          patient: occurrence.patients[i]?.id ?? null,
        })),
      ),
      occurrences.at(-1)?.recorded ?? 0,
    )
  }

  /** @param now milliseconds since the epoch, the `lastUpdated` of the rows */
  async rows(records: readonly TrailRecord[], now: number): Promise<NewAuditRecord[]> {
    const lastUpdated = new Date(now).toISOString()
    const shared = new Map<string, Map<SharedElements, Shared>>()
    const parts = records.map(({ resource, shared: elements = NOTHING }) => {
      const { resourceType: type } = resource
      const byElements = shared.get(type) ?? new Map<SharedElements, Shared>()
      shared.set(type, byElements)
      const common = byElements.get(elements) ?? {
        members: canonicalMembers(elements),
        index: this.#index({ ...elements, resourceType: type }),
      }
      byElements.set(elements, common)
      const stamped = stamp(resource, lastUpdated)
      return { stamped, common, body: Buffer.from(canonicalObject(common.members, canonicalMembers(stamped))) }
    })
    // Many are sealed by another thread: the index entries are made meanwhile.
    const [sealed, index] = await Promise.all([
      this.seal(
        parts.map(({ stamped, body }, i) => ({
          id: `${stamped.resourceType}/${stamped.id}`,
          version: 1,
          body,
          patient: records[i]?.patient ?? null,
        })),
      ),
      this.#indices(parts),
    ])
    const salts = randomBytes(records.length * SALT_BYTES)
    return parts.map(({ stamped, body: plain }, i): NewAuditRecord => {
      const { body, contentHash, salt } = sealed[i] as (typeof sealed)[number]
      const leafSalt = salts.subarray(i * SALT_BYTES, (i + 1) * SALT_BYTES)
      return {
        type: stamped.resourceType,
        id: stamped.id as string,
        version: 1,
        lastUpdated: now,
        deleted: false,
        patient: records[i]?.patient ?? null,
        origin: this.entity,
        labels: AUDIT,
        categories: UNCATEGORISED,
        index: index[i] as IndexEntries,
        cid: null,
        body,
        contentHash,
        salt,
        author: this.entity,
        source: null,
        leaf: null,
        auditLeaf: { hash: auditLeafHash(leafSalt, plain), salt: leafSalt },
      }
    })
  }

  async #indices(parts: readonly { stamped: Resource; common: Shared }[]): Promise<IndexEntries[]> {
    return parts.map(({ stamped, common }) => joined(common.index, this.#index(stamped)))
  }

  #index(resource: Resource): IndexEntries {
    return this.index.entries(resource.resourceType, indexValues(resource as ValidResource))
  }
}

/** What is worked out once of elements that are shared. */
interface Shared {
  readonly members: readonly CanonicalMember[]
  readonly index: IndexEntries
}

const NOTHING: SharedElements = {}

/** SHA-256(00 ‖ salt ‖ body) */
export function auditLeafHash(salt: Uint8Array, body: Uint8Array): Uint8Array {
  return hash('sha256', Buffer.concat([LEAF_PREFIX, salt, body]), 'buffer')
}

const LEAF_PREFIX = Uint8Array.of(0)
const SALT_BYTES = 32

function stamp({ resourceType, meta, ...elements }: Resource, lastUpdated: string): Resource {
  return { resourceType, id: randomUUID(), meta: { ...meta, versionId: '1', lastUpdated }, ...elements }
}

import { hash, randomBytes, randomUUID } from 'node:crypto'
import { AUDIT } from '../consent/labels.js'
import type { PartyId, PatientId } from '../consent/permit.js'
import { indexValues } from '../fhir/search-parameters.js'
import type { Resource, ValidResource } from '../fhir/types.js'
import type { BlindIndex } from '../records/blind-index.js'
import { joined } from '../records/entry-lists.js'
import type { IndexEntries, NewAuditRecord } from '../records/types.js'
import { auditEvents, once, type SharedElements, SharedParts } from './balp.js'
import { canonicalJson, type CanonicalMember, canonicalMembers, canonicalObject } from './canonical-json.js'
import type { Occurrence } from './occurrence.js'

/** A record of the trail before it has an id. */
export interface TrailRecord {
  readonly resource: Resource
  /** Further elements of the resource, which other records of the batch have too, in the same object: worked out once. */
  readonly shared?: SharedElements
  /** Its list of that name, apart: some of it may be the same objects in others of the batch. */
  readonly entity?: readonly object[]
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
    const batch = new SharedParts()
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
    const stamp = { versionId: '1', lastUpdated: new Date(now).toISOString() }
    const worked = new Worked((resource) => this.#index(resource))
    const parts = records.map(({ resource, shared, entity = [] }) => {
      const { resourceType: type, id = randomUUID(), meta, ...elements } = resource
      const common = shared === undefined ? NOTHING : worked.shared(type, shared, stamp)
      // `meta` is stamped where it is.
      const own = {
        resourceType: type,
        id,
        ...elements,
        ...(shared === undefined ? { meta: { ...meta, ...stamp } } : {}),
      }
      const members = [...canonicalMembers(own), ...worked.listed(entity)]
      return { type, id, own, common, entity, body: Buffer.from(canonicalObject(common.members, members)) }
    })
    // Many are sealed by another thread: the index entries are made meanwhile.
    const [sealed, index] = await Promise.all([
      this.seal(
        parts.map(({ type, id, body }, i) => ({
          id: `${type}/${id}`,
          version: 1,
          body,
          patient: records[i]?.patient ?? null,
        })),
      ),
      // Called after the thread has its work.
      (async () =>
        parts.map(({ type, own, common, entity }) =>
          joined([...common.index, this.#index(own), ...worked.indices(type, entity)]),
        ))(),
    ])
    const salts = randomBytes(records.length * SALT_BYTES)
    return parts.map(({ type, id, body: plain }, i): NewAuditRecord => {
      const { body, contentHash, salt } = sealed[i] as (typeof sealed)[number]
      const leafSalt = salts.subarray(i * SALT_BYTES, (i + 1) * SALT_BYTES)
      return {
        type,
        id,
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

  #index(resource: Resource): IndexEntries {
    return this.index.entries(resource.resourceType, indexValues(resource as ValidResource))
  }
}

/** Elements that several records have: as members, and what they are indexed by. */
interface Common {
  readonly members: readonly CanonicalMember[]
  readonly index: readonly IndexEntries[]
}

const NOTHING: Common = { members: [], index: [] }

/** Canonical form and index of what records of a batch share, worked out once. */
class Worked {
  readonly #common = new Map<SharedElements, Common>()
  readonly #texts = new Map<object, string>()
  readonly #indices = new Map<object, IndexEntries>()

  constructor(private readonly indexOf: (resource: Resource) => IndexEntries) {}

  /** Elements of one object are of one type. */
  shared(type: string, elements: SharedElements, stamp: object): Common {
    return once(this.#common, elements, () => {
      const stamped = { ...elements, meta: { ...(elements['meta'] as object | undefined), ...stamp } }
      return { members: canonicalMembers(stamped), index: [this.indexOf({ resourceType: type, ...stamped })] }
    })
  }

  /** The list `entity` as a member. */
  listed(entity: readonly object[]): CanonicalMember[] {
    if (entity.length === 0) return []
    const texts = entity.map((each) => once(this.#texts, each, () => canonicalJson(each)))
    return [{ key: 'entity', text: `"entity":[${texts.join(',')}]` }]
  }

  indices(type: string, entity: readonly object[]): IndexEntries[] {
    return entity.map((each) => once(this.#indices, each, () => this.indexOf({ resourceType: type, entity: [each] })))
  }
}

/** SHA-256(00 ‖ salt ‖ body) */
export function auditLeafHash(salt: Uint8Array, body: Uint8Array): Uint8Array {
  return hash('sha256', Buffer.concat([LEAF_PREFIX, salt, body]), 'buffer')
}

const LEAF_PREFIX = Uint8Array.of(0)
const SALT_BYTES = 32

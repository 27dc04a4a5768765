import { hash, randomBytes, randomUUID } from 'node:crypto'
import { AUDIT } from '../consent/labels.js'
import type { PartyId, PatientId } from '../consent/permit.js'
import { indexValues } from '../fhir/search-parameters.js'
import type { Resource, ValidResource } from '../fhir/types.js'
import type { BlindIndex } from '../records/blind-index.js'
import type { NewAuditRecord } from '../records/types.js'
import { auditEvents } from './balp.js'
import { canonicalJson } from './canonical-json.js'
import type { Occurrence } from './occurrence.js'

/** A record of the trail before it has an id. */
export interface TrailRecord {
  readonly resource: Resource
  readonly patient: PatientId | null
}

/** Seals bodies that lie in their row. Synchronous, because every disclosure waits for it. */
export type SealInline = (
  items: readonly {
    readonly id: string
    readonly version: number
    readonly body: Uint8Array
    /** The envelope is bound to the patient as well: the row cannot be given to another. */
    readonly patient: PatientId | null
  }[],
) => { readonly body: Uint8Array; readonly contentHash: Uint8Array; readonly salt: Uint8Array }[]

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
  records(occurrences: readonly Occurrence[]): NewAuditRecord[] {
    const source = { entity: this.entity, baseUrl: this.baseUrl }
    return this.rows(
      occurrences.flatMap((occurrence) =>
        auditEvents(occurrence, source).map((resource, i) => ({
          resource,
          patient: occurrence.patients[i]?.id ?? null,
        })),
      ),
      occurrences.at(-1)?.recorded ?? 0,
    )
  }

  /** @param now milliseconds since the epoch, the `lastUpdated` of the rows */
  rows(records: readonly TrailRecord[], now: number): NewAuditRecord[] {
    const stamped = records.map(({ resource }) => stamp(resource, now))
    const bodies = stamped.map((resource) => Buffer.from(canonicalJson(resource)))
    const sealed = this.seal(
      stamped.map((resource, i) => ({
        id: `${resource.resourceType}/${resource.id}`,
        version: 1,
        body: bodies[i] as Buffer,
        patient: records[i]?.patient ?? null,
      })),
    )
    const salts = randomBytes(records.length * SALT_BYTES)
    return stamped.map((resource, i): NewAuditRecord => {
      const { body, contentHash, salt } = sealed[i] as (typeof sealed)[number]
      const leafSalt = salts.subarray(i * SALT_BYTES, (i + 1) * SALT_BYTES)
      return {
        type: resource.resourceType,
        id: resource.id as string,
        version: 1,
        lastUpdated: now,
        deleted: false,
        patient: records[i]?.patient ?? null,
        origin: this.entity,
        labels: AUDIT,
        categories: UNCATEGORISED,
        index: this.index.entries(resource.resourceType, indexValues(resource as ValidResource)),
        cid: null,
        body,
        contentHash,
        salt,
        author: this.entity,
        source: null,
        leaf: null,
        auditLeaf: { hash: auditLeafHash(leafSalt, bodies[i] as Buffer), salt: leafSalt },
      }
    })
  }
}

/** SHA-256(00 ‖ salt ‖ body) */
export function auditLeafHash(salt: Uint8Array, body: Uint8Array): Uint8Array {
  return hash('sha256', Buffer.concat([LEAF_PREFIX, salt, body]), 'buffer')
}

const LEAF_PREFIX = Uint8Array.of(0)
const SALT_BYTES = 32

function stamp({ resourceType, meta, ...elements }: Resource, now: number): Resource {
  return {
    resourceType,
    id: randomUUID(),
    meta: { ...meta, versionId: '1', lastUpdated: new Date(now).toISOString() },
    ...elements,
  }
}

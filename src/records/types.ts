/** 32 bytes as `0x` and 64 lower-case hex digits: parties and patients on the ledger. */
export type Hex = `0x${string}`

/**
 * One version to be written. `version` 1 creates; n replaces version n − 1, which must be the current one. Of an imported
 * record any later version follows the current one or none.
 */
export interface NewVersion {
  readonly type: string
  readonly id: string
  readonly version: number
  /** Milliseconds since the epoch. */
  readonly lastUpdated: number
  readonly deleted: boolean
  /** The patient whose compartment holds it; `null`: nobody's. */
  readonly patient: Hex | null
  /** Other patients whom it names; absent or `null`: none. */
  readonly others?: readonly Hex[] | null
  /** The entity that wrote it first. */
  readonly origin: Hex
  readonly labels: bigint
  /** uint64; stored as the signed number of the same bits. */
  readonly categories: bigint
  /** What policy documents can ask of it; absent or `null`: unknown. */
  readonly facts?: RowFacts | null
  /** What finds it; `null` (always when deleted): no search does. Replaces the entries of the version before. */
  readonly index: IndexEntries | null
  /** The block of the sealed body. */
  readonly cid: string | null
  /** The sealed body itself, for what has no block of its own (AuditEvent, Provenance). */
  readonly body: Uint8Array | null
  /** 32 bytes. */
  readonly contentHash: Uint8Array
  readonly salt: Uint8Array | null
  /** The party whose key signed the envelope. */
  readonly author: Hex
  /** `meta.source` of an imported record; `null`: written here. Only imported rows can be purged. */
  readonly source: string | null
  /** Leaf of the record in its batch on chain (32 bytes): the version waits to be anchored. `null`: it is not ours to anchor. */
  readonly leaf: Uint8Array | null
  /** How a client made it; absent: no client did. */
  readonly method?: Method
  /** The operation that it was the method of, with its `$`; absent: a plain interaction's. */
  readonly operation?: string
}

/** Tokens and bytes of order, so that they can lie in a row. Structurally the RecordFacts of consent. */
export interface RowFacts {
  readonly facets: readonly bigint[]
  readonly care: { readonly lo: Uint8Array; readonly hi: Uint8Array } | null
}

export type Method = 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** An AuditEvent and its leaf in the verifiable log; the sequencer numbers it later. */
export interface NewAuditRecord extends NewVersion {
  readonly auditLeaf: { readonly hash: Uint8Array; readonly salt: Uint8Array }
}

/** Work that must happen because of a commit. `kind` and `key` name it once: a second one of the same name is dropped. */
export interface NewOutbox {
  readonly kind: string
  readonly key: string
  /** JSON without health data and secrets: it lies in the row as it is. */
  readonly payload: unknown
  /** Milliseconds since the epoch; absent: now. */
  readonly due?: number
}

/**
 * The right to create what a search did not find. Two commits with one key conflict if the second one's search could
 * not see the first one's commit.
 */
export interface Claim {
  /** `BlindIndex.claim(type, criteria)` */
  readonly key: bigint
  /** `snapshot` of the search that found nothing. */
  readonly snapshot: string
}

/** Patients whom an imported record names. The ids are its author's: none of them may become a Patient of ours. */
export interface ForeignPatients extends Ref {
  /** Whose record it is. An id that is already this patient's here may be named. */
  readonly patient: Hex
  /** Logical ids, its own among them if it is a Patient. */
  readonly named: readonly string[]
  /** The record is the patient's Patient resource, and is linked as such. */
  readonly isPatient: boolean
}

/** All or nothing. */
export interface Change {
  readonly versions?: readonly NewVersion[]
  readonly audit?: readonly NewAuditRecord[]
  readonly outbox?: readonly NewOutbox[]
  readonly claims?: readonly Claim[]
  /** Logical ids of Patients that must be here, not deleted, when this is committed, because the versions speak of them. */
  readonly present?: readonly string[]
  /** Of the imported records among the versions. */
  readonly foreignPatients?: readonly ForeignPatients[]
}

export type Conflict =
  | {
      readonly kind: 'version'
      readonly type: string
      readonly id: string
      /** The version that the change replaces; 0: none. */
      readonly expected: number
      /** What is there; `null`: nothing. */
      readonly current: { readonly version: number; readonly deleted: boolean } | null
    }
  | { readonly kind: 'claim'; readonly key: bigint }
  /** These Patients were deleted, or are not here any more. */
  | { readonly kind: 'absent'; readonly localIds: readonly string[] }
  | {
      /** The imported record names Patients who are others than the one whose record it is. */
      readonly kind: 'patient'
      readonly type: string
      readonly id: string
      readonly localIds: readonly string[]
    }

export type Committed =
  { readonly committed: true } | { readonly committed: false; readonly conflicts: readonly Conflict[] }

/** Type and logical id. */
export interface Ref {
  readonly type: string
  readonly id: string
}

export interface VersionRef extends Ref {
  readonly version: number
}

/** What decides about a row, without its body. Structurally a RecordSubject of consent. */
export interface ResourceRow extends VersionRef {
  readonly lastUpdated: number
  readonly deleted: boolean
  readonly patient: Hex | null
  readonly others?: readonly Hex[] | null
  readonly origin: Hex
  readonly labels: bigint
  /** uint64 */
  readonly categories: bigint
  readonly facts?: RowFacts | null
  readonly source: string | null
}

/**
 * One version with what is needed to open it. In history and vread `labels` are those of this version and of the current one, and
 * `facts` are unknown where the two differ.
 */
export interface StoredVersion extends ResourceRow {
  readonly cid: string | null
  readonly body: Uint8Array | null
  readonly contentHash: Uint8Array
  readonly salt: Uint8Array | null
  readonly author: Hex
}

/** What the database holds of a resource's search parameters. */
export interface IndexEntries {
  /** Signed 64-bit, ascending, no duplicates. */
  readonly tokens: ArrayLike<bigint>
  readonly references: readonly ReferenceEntry[]
  readonly ordered: readonly OrderedEntry[]
  /** What tokens stand for, as it is: kept sealed. */
  readonly names: readonly NameEntry[]
}

/** A value of a search parameter: a code with its system, or a URL alone. */
export interface Name {
  readonly system: string | null
  readonly code: string
}

export interface NameEntry extends Name {
  readonly token: bigint
  /** Token of type and parameter. */
  readonly parameter: bigint
}

export interface ReferenceEntry {
  /** `Observation.subject` */
  readonly parameter: string
  readonly targetType: string
  readonly targetId: string
}

export interface OrderedEntry {
  /** Token of type and parameter. */
  readonly parameter: bigint
  /** Order-preserving bytes of [lo, hi). */
  readonly lo: Uint8Array
  readonly hi: Uint8Array
  /** Tokens of system and code, and of code or unit alone; `null`: a number without a unit or a date. */
  readonly unit: readonly bigint[] | null
}

/**
 * A condition on the alias `r` of the table `resource`, with its own `$1 … $n`. It holds for every row that a search
 * counts, pages or follows; consent makes it.
 */
export interface RowFilter {
  readonly sql: string
  readonly params: readonly unknown[]
}

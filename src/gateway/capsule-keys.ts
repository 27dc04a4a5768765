import { createHash } from 'node:crypto'
import { AUDIT, type LabelCode, labelBits, labelCodes, NOTICE } from '../consent/labels.js'
import type { PartyId, PatientId } from '../consent/permit.js'
import type { Sql } from '../records/database.js'
import { type CapsuleKey, newCapsuleKey, unwrap, wrap } from '../vault/keys.js'
import type { PublicKey } from '../vault/pre/index.js'

/** Whose record it is: a patient's, or the entity's own (`null`). */
export type Owner = PatientId | null

/** The labels of records, and one of its own for the audit trail. */
export type KeyLabel = LabelCode | 'audit'

/** Where policy keys come from: custody, or a grant package of a patient of another entity. */
export interface PolicyKeys {
  /** @throws ConsentryError `forbidden` when no policy key of this owner and label is known here */
  policyKey(owner: Owner, label: KeyLabel): Promise<PublicKey>
}

/** A key that was opened, and whether it is one of the audit trail, under which nothing but rows of the trail is sealed. */
export interface OpenedKey {
  readonly key: Uint8Array
  readonly trail: boolean
}

/** A capsule is used for one day at most (DESIGN.md, section 6). */
const DAY = 86_400_000
/** Opened keys in memory. */
const CACHED = 20_000

/**
 * Capsule keys: those under which we seal (one per owner and label, new each day and after a revocation), and those that we
 * opened, wrapped by the entity's master key in `capsule_key`.
 */
export class CapsuleKeys {
  /** By hex of the capsule's id. */
  readonly #opened = new Map<string, OpenedKey>()
  readonly #current = new Map<string, Promise<{ key: CapsuleKey; until: number }>>()

  constructor(
    private readonly sql: Sql,
    private readonly entity: PartyId,
    private readonly master: Uint8Array,
    private readonly policies: PolicyKeys,
    private readonly clock: () => number,
  ) {}

  /** Keys to seal a record of these labels, in the order of the labels. A notice is its author entity's, whoever it is about. */
  async forSealing(owner: Owner, labels: bigint): Promise<CapsuleKey[]> {
    if (labels === NOTICE) return [await this.#currentKey(null, 'general')]
    return Promise.all(labelCodes(labels).map((label) => this.#currentKey(owner, label)))
  }

  /** The key under which the audit trail is sealed. */
  forTrail(): Promise<CapsuleKey> {
    return this.#currentKey(null, 'audit')
  }

  /** The keys of capsules, unwrapped, by hex of the capsule's id; those that are not at hand are missing from the result. */
  async opened(capsules: Iterable<Uint8Array>): Promise<Map<string, OpenedKey>> {
    const keys = new Map<string, OpenedKey>()
    const missing: Buffer[] = []
    for (const capsule of capsules) {
      const id = capsuleId(capsule)
      const name = id.toString('hex')
      const key = this.#opened.get(name)
      if (key !== undefined) keys.set(name, key)
      else if (!keys.has(name)) missing.push(id)
    }
    if (missing.length === 0) return keys
    const { rows } = await this.sql.query<{ id: Buffer; wrapped_key: Buffer; trail: boolean }>(
      `SELECT id, wrapped_key, label_mask = $2 AND author = $3 AND NOT imported AS trail FROM capsule_key
       WHERE id = ANY($1::bytea[])`,
      [missing, AUDIT, bytes(this.entity)],
    )
    for (const { id, wrapped_key, trail } of rows) {
      const name = id.toString('hex')
      const key = { key: unwrap(this.master, wrapped_key, `capsule ${name}`), trail }
      this.#remember(name, key)
      keys.set(name, key)
    }
    return keys
  }

  /** From now on records of this owner are sealed under new capsules: after a revocation. */
  async rotate(owner: Owner): Promise<void> {
    const prefix = `${owner ?? '-'}|`
    for (const name of this.#current.keys()) if (name.startsWith(prefix)) this.#current.delete(name)
    await this.sql.query('UPDATE capsule_key SET retired = true WHERE patient = $1 AND author = $2 AND NOT retired', [
      ownerBytes(owner, this.entity),
      bytes(this.entity),
    ])
  }

  /** Keys that left the database leave the memory; those that did not are fetched again. */
  forgetAll(): void {
    this.#opened.clear()
  }

  #currentKey(owner: Owner, label: KeyLabel): Promise<CapsuleKey> {
    const name = `${owner ?? '-'}|${label}`
    const known = this.#current.get(name)
    const current = known ?? this.#make(owner, label)
    if (known === undefined) {
      this.#current.set(name, current)
      current.catch(() => this.#current.delete(name))
    }
    return current.then(({ key, until }) => {
      if (this.clock() < until) return key
      if (this.#current.get(name) === current) this.#current.delete(name)
      return this.#currentKey(owner, label)
    })
  }

  async #make(owner: Owner, label: KeyLabel): Promise<{ key: CapsuleKey; until: number }> {
    const kept = await this.#kept(owner, label)
    if (kept !== null) return kept
    const key = newCapsuleKey(await this.policies.policyKey(owner, label))
    const id = capsuleId(key.capsule)
    const name = id.toString('hex')
    const now = this.clock()
    // Durable before anything is sealed under it; a key without a record is harmless.
    await this.sql.query(
      `INSERT INTO capsule_key (id, capsule, patient, label_mask, author, epoch, wrapped_key, imported, created_at)
       VALUES ($1, $2, $3, $4, $5, 0, $6, false, $7)`,
      [
        id,
        Buffer.from(key.capsule),
        ownerBytes(owner, this.entity),
        maskOf(label),
        bytes(this.entity),
        Buffer.from(wrap(this.master, key.key, `capsule ${name}`)),
        now,
      ],
    )
    this.#remember(name, { key: key.key, trail: label === 'audit' })
    return { key, until: now + DAY }
  }

  /** The capsule of an earlier start, if it is still current. */
  async #kept(owner: Owner, label: KeyLabel): Promise<{ key: CapsuleKey; until: number } | null> {
    const { rows } = await this.sql.query<{ id: Buffer; capsule: Buffer; wrapped_key: Buffer; created_at: bigint }>(
      `SELECT id, capsule, wrapped_key, created_at FROM capsule_key
       WHERE patient = $1 AND label_mask = $2 AND author = $3 AND NOT imported AND NOT retired AND created_at > $4
       ORDER BY created_at DESC LIMIT 1`,
      [ownerBytes(owner, this.entity), maskOf(label), bytes(this.entity), this.clock() - DAY],
    )
    const row = rows[0]
    if (row === undefined) return null
    const name = row.id.toString('hex')
    const key = unwrap(this.master, row.wrapped_key, `capsule ${name}`)
    this.#remember(name, { key, trail: label === 'audit' })
    return { key: { capsule: row.capsule, key }, until: Number(row.created_at) + DAY }
  }

  #remember(name: string, key: OpenedKey): void {
    this.#opened.set(name, key)
    if (this.#opened.size > CACHED) this.#opened.delete(this.#opened.keys().next().value as string)
  }
}

/** SHA-256 of the capsule. */
export function capsuleId(capsule: Uint8Array): Buffer {
  return createHash('sha256').update(capsule).digest()
}

function maskOf(label: KeyLabel): bigint {
  return label === 'audit' ? AUDIT : labelBits([label])
}

/** What the entity owns itself stands under its own id. */
function ownerBytes(owner: Owner, entity: PartyId): Buffer {
  return bytes(owner ?? entity)
}

function bytes(value: string): Buffer {
  return Buffer.from(value.slice(2), 'hex')
}

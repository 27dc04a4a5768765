import { DatabaseSync } from 'node:sqlite'
import type { Receipt } from './protocol.js'

/** A fragment as it rests: sealed under the proxy's own key. */
export interface StoredKeyFrag {
  readonly patient: string
  readonly grantee: string
  readonly label: string
  readonly epoch: number
  readonly policyKey: string
  readonly verifyingKey: string
  readonly receivingKey: string
  readonly sealed: Uint8Array
}

/** The proxy's durable state: sealed fragments, used nonces, the chain of receipts. Deleted rows are overwritten. */
export class ProxyStore {
  readonly #db: DatabaseSync

  constructor(path: string) {
    this.#db = new DatabaseSync(path)
    this.#db.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA secure_delete = ON;
      CREATE TABLE IF NOT EXISTS key_frag (
        patient TEXT, grantee TEXT, label TEXT, epoch INTEGER, policy_key TEXT, verifying_key TEXT, receiving_key TEXT,
        sealed BLOB, PRIMARY KEY (patient, grantee, label, epoch)
      );
      CREATE TABLE IF NOT EXISTS nonce (nonce TEXT PRIMARY KEY, at INTEGER);
      CREATE TABLE IF NOT EXISTS receipt (sequence INTEGER PRIMARY KEY, body TEXT);
    `)
  }

  put(frag: StoredKeyFrag): void {
    this.#db
      .prepare('INSERT OR REPLACE INTO key_frag VALUES (?, ?, ?, ?, ?, ?, ?, ?)')
      .run(
        frag.patient,
        frag.grantee,
        frag.label,
        frag.epoch,
        frag.policyKey,
        frag.verifyingKey,
        frag.receivingKey,
        frag.sealed,
      )
  }

  find(patient: string, grantee: string, label: string, epoch: number): StoredKeyFrag | undefined {
    return this.#db
      .prepare(
        `SELECT patient, grantee, label, epoch, policy_key AS policyKey, verifying_key AS verifyingKey,
           receiving_key AS receivingKey, sealed FROM key_frag
         WHERE patient = ? AND grantee = ? AND label = ? AND epoch = ?`,
      )
      .get(patient, grantee, label, epoch) as unknown as StoredKeyFrag | undefined
  }

  /** Deletes fragments; `undefined` means any. @returns what was deleted */
  delete(patient: string, grantee?: string, label?: string): { grantee: string; label: string }[] {
    return this.#db
      .prepare(
        `DELETE FROM key_frag WHERE patient = ? AND (? IS NULL OR grantee = ?) AND (? IS NULL OR label = ?)
         RETURNING grantee, label`,
      )
      .all(patient, grantee ?? null, grantee ?? null, label ?? null, label ?? null) as {
      grantee: string
      label: string
    }[]
  }

  list(): { patient: string; grantee: string; label: string }[] {
    return this.#db.prepare('SELECT patient, grantee, label FROM key_frag').all() as {
      patient: string
      grantee: string
      label: string
    }[]
  }

  /** @returns false if it was used before */
  useNonce(nonce: string, at: number, forgetBefore: number): boolean {
    this.#db.prepare('DELETE FROM nonce WHERE at < ?').run(forgetBefore)
    return this.#db.prepare('INSERT OR IGNORE INTO nonce VALUES (?, ?)').run(nonce, at).changes === 1
  }

  lastReceipt(): Receipt | undefined {
    const row = this.#db.prepare('SELECT body FROM receipt ORDER BY sequence DESC LIMIT 1').get() as
      { body: string } | undefined
    return row && (JSON.parse(row.body) as Receipt)
  }

  addReceipt(receipt: Receipt): void {
    this.#db.prepare('INSERT INTO receipt VALUES (?, ?)').run(receipt.sequence, JSON.stringify(receipt))
  }

  receipts(since: number, limit: number): Receipt[] {
    const rows = this.#db
      .prepare('SELECT body FROM receipt WHERE sequence >= ? ORDER BY sequence LIMIT ?')
      .all(since, limit)
    return (rows as { body: string }[]).map(({ body }) => JSON.parse(body) as Receipt)
  }

  close(): void {
    this.#db.close()
  }
}

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
  /** The proxy's head of the chain when the fragment came. */
  readonly block: number
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
        sealed BLOB, block INTEGER NOT NULL, PRIMARY KEY (patient, grantee, label, epoch)
      );
      CREATE TABLE IF NOT EXISTS nonce (nonce TEXT PRIMARY KEY, at INTEGER);
      CREATE TABLE IF NOT EXISTS receipt (sequence INTEGER PRIMARY KEY, body TEXT);
    `)
    this.#addBlocks()
  }

  /** A database that is older than the column: every revocation takes its fragments. */
  #addBlocks(): void {
    const columns = this.#db.prepare('PRAGMA table_info(key_frag)').all() as { name: string }[]
    if (columns.some(({ name }) => name === 'block')) return
    this.#db.exec('ALTER TABLE key_frag ADD COLUMN block INTEGER NOT NULL DEFAULT 0')
  }

  put(frag: StoredKeyFrag): void {
    this.#db
      .prepare('INSERT OR REPLACE INTO key_frag VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)')
      .run(
        frag.patient,
        frag.grantee,
        frag.label,
        frag.epoch,
        frag.policyKey,
        frag.verifyingKey,
        frag.receivingKey,
        frag.sealed,
        frag.block,
      )
  }

  /** The columns are named as the members of the type. */
  find(patient: string, grantee: string, label: string, epoch: number): StoredKeyFrag | undefined {
    return this.#db
      .prepare(
        `SELECT patient, grantee, label, epoch, policy_key AS policyKey, verifying_key AS verifyingKey,
           receiving_key AS receivingKey, sealed, block FROM key_frag
         WHERE patient = ? AND grantee = ? AND label = ? AND epoch = ?`,
      )
      .get(patient, grantee, label, epoch) as unknown as StoredKeyFrag | undefined
  }

  /**
   * Deletes fragments that came before a block of the chain, rows and write-ahead log; `undefined` means any.
   * @returns what was deleted
   */
  delete(patient: string, grantee?: string, label?: string, block?: number): { grantee: string; label: string }[] {
    const gone = this.#db
      .prepare(
        `DELETE FROM key_frag WHERE patient = $patient AND ($grantee IS NULL OR grantee = $grantee)
           AND ($label IS NULL OR label = $label) AND ($block IS NULL OR block < $block)
         RETURNING grantee, label`,
      )
      .all({
        $patient: patient,
        $grantee: grantee ?? null,
        $label: label ?? null,
        $block: block ?? null,
      }) as { grantee: string; label: string }[]
    // The log still has the pages as they were.
    if (gone.length > 0) this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    return gone
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

  /** All or none. */
  addReceipts(receipts: readonly Receipt[]): void {
    const insert = this.#db.prepare('INSERT INTO receipt VALUES (?, ?)')
    this.#db.exec('BEGIN IMMEDIATE')
    try {
      for (const receipt of receipts) insert.run(receipt.sequence, JSON.stringify(receipt))
      this.#db.exec('COMMIT')
    } catch (error) {
      this.#db.exec('ROLLBACK')
      throw error
    }
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

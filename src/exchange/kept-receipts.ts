import type { PartyId } from '../consent/permit.js'
import { ConsentryError } from '../errors.js'
import type { Sql } from '../records/database.js'
import type { VerifiedReceipt } from './receipts.js'

/**
 * Receipts of re-encryptions for us, for ever: what a proxy signed is evidence, of it and of us, whatever is purged. Two that a
 * proxy signed under one number are both kept.
 */
export class KeptReceipts {
  constructor(private readonly sql: Sql) {}

  /**
   * Keeps what was re-encrypted, durable when it resolves.
   * @throws ConsentryError `integrity` for receipts that do not fit to those that the proxy gave us before
   */
  async keep(receipts: readonly VerifiedReceipt[]): Promise<void> {
    const [first] = receipts
    if (first === undefined) return
    const evidence = receipts.filter(({ receipt }) => receipt.kind === 'reencrypted')
    await this.sql.query(
      `INSERT INTO proxy_receipt (hash, proxy, sequence, patient, body)
       SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bytea[], $5::text[]) ON CONFLICT DO NOTHING`,
      [
        evidence.map(({ hash }) => Buffer.from(hash, 'base64')),
        evidence.map(({ receipt }) => bytes(receipt.proxy)),
        evidence.map(({ receipt }) => receipt.sequence),
        evidence.map(({ receipt }) => bytes(receipt.patient)),
        evidence.map(({ receipt }) => JSON.stringify(receipt)),
      ],
    )
    await this.#requireOneChain(first.receipt.proxy, receipts)
  }

  /** With what is kept of the same numbers, and of those before and after. */
  async #requireOneChain(proxy: PartyId, receipts: readonly VerifiedReceipt[]): Promise<void> {
    const sequences = receipts.map(({ receipt }) => receipt.sequence)
    const { rows } = await this.sql.query<{ hash: Buffer; sequence: bigint; body: string }>(
      'SELECT hash, sequence, body FROM proxy_receipt WHERE proxy = $1 AND sequence BETWEEN $2 AND $3',
      [bytes(proxy), Math.min(...sequences) - 1, Math.max(...sequences) + 1],
    )
    const own = new Map(receipts.map(({ receipt, hash }) => [receipt.sequence, { hash, previous: receipt.previous }]))
    const fits = rows.every((row) => {
      const hash = row.hash.toString('base64')
      const sequence = Number(row.sequence)
      const [same, next, before] = [own.get(sequence), own.get(sequence + 1), own.get(sequence - 1)]
      const { previous } = JSON.parse(row.body) as { previous: string }
      return (
        (same === undefined || same.hash === hash) &&
        (next === undefined || next.previous === hash) &&
        (before === undefined || before.hash === previous)
      )
    })
    if (fits) return
    throw new ConsentryError('integrity', 'A re-encryption proxy gave receipts that do not belong to one chain.')
  }
}

function bytes(value: string): Buffer {
  return Buffer.from(value.slice(2), 'hex')
}

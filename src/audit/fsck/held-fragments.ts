import { labelBits, labelCodes, maskOfLabelId } from '../../consent/labels.js'
import type { Hex } from '../../ledger/hex.js'
import { bytes, type Finding, hex, type Material, type ToldReceipt } from './check.js'

/** A proxy hears of a revocation from its own node, and may have been away. */
const PATIENCE_SECONDS = 300
const READ_BIT = 1

interface Revocation {
  readonly patient: Hex
  /** Absent: all labels of the patient. */
  readonly label?: string
  /** Seconds since the epoch, of its block. */
  readonly at: number
}

/**
 * Fragments of grants to us that a proxy has by its own receipts: it signed that it took them, and not that it deleted them. What the ledger
 * has revoked since, and grants to nobody now, it should have deleted.
 */
export class HeldFragments {
  readonly #held = new Map<string, ToldReceipt>()
  /** Receipts of ours, of any kind. */
  #signed = 0

  constructor(
    private readonly material: Material,
    private readonly proxy: Hex,
  ) {}

  /** Sound receipts in the order of the proxy's chain. */
  follow(receipt: ToldReceipt): void {
    if (receipt.grantee !== this.material.entity) return
    this.#signed++
    const key = `${receipt.patient}|${receipt.label}`
    if (receipt.kind === 'stored') this.#held.set(key, receipt)
    if (receipt.kind === 'deleted') this.#held.delete(key)
  }

  /** Once its whole chain was followed. */
  async *findings(): AsyncGenerator<Finding> {
    yield* this.#unsigned()
    const now = Math.floor(this.material.clock() / 1000)
    const held = [...this.#held.values()]
    if (held.length === 0) return
    const patients = [...new Set(held.map(({ patient }) => patient))]
    const [revocations, granted] = [await this.#revocations(patients), await this.#granted(patients)]
    for (const { patient, label, at, sequence } of held) {
      const last = revocations.findLast((one) => one.patient === patient && (one.label ?? label) === label)
      if (last === undefined || last.at < at || now - last.at < PATIENCE_SECONDS) continue
      if (((granted.get(patient) ?? 0n) & maskOf(label)) !== 0n) continue
      yield this.#finding(
        `receipt ${sequence} of`,
        `The ledger revoked the grant of ${nameOf(label)} by patient ${patient.slice(0, 10)} ${now - last.at} s ago, and the proxy has signed no deletion of its fragment.`,
      )
    }
  }

  /** Who serves a grant to us has taken a fragment, and has signed that at least. */
  async *#unsigned(): AsyncGenerator<Finding> {
    if (this.#signed > 0) return
    const { rows } = await this.material.database.query<{ n: bigint }>(
      `SELECT count(*) AS n FROM shared_policy p WHERE EXISTS (
         SELECT 1 FROM jsonb_array_elements(p.proxies) x WHERE lower(x->>'id') = $1)`,
      [this.proxy],
    )
    const count = Number(rows[0]?.n)
    if (count === 0) return
    const what = `The proxy serves ${count} policies that were granted to us, and has signed nothing of them.`
    yield this.#finding('', what)
  }

  /** In the order of the chain. */
  async #revocations(patients: readonly Hex[]): Promise<Revocation[]> {
    const { rows } = await this.material.database.query<{
      subject: Buffer
      name: string
      args: Readonly<Record<string, unknown>>
      block_time: bigint
    }>(
      `SELECT subject, name, args, block_time FROM ledger_event WHERE contract = 'ConsentRegistry' AND subject = ANY ($1::bytea[])
         AND (name = 'AllConsentsRevoked' OR name = 'ConsentRevoked' AND args->>'grantee' = $2)
       ORDER BY block_number, log_index`,
      [patients.map(bytes), this.material.entity],
    )
    return rows.flatMap(({ subject, name, args, block_time }): Revocation[] => {
      const revocation = { patient: hex(subject), at: Number(block_time) }
      if (name === 'AllConsentsRevoked') return [revocation]
      return (Number(args['actions']) & READ_BIT) === 0 ? [] : [{ ...revocation, label: String(args['label']) }]
    })
  }

  /** Labels of which we may read something now or later. */
  async #granted(patients: readonly Hex[]): Promise<Map<Hex, bigint>> {
    const { rows } = await this.material.database.query<{ patient: Buffer; labels: bigint }>(
      `SELECT patient, bit_or(label_mask) AS labels FROM "grant" WHERE patient = ANY ($1::bytea[]) AND grantee = $2 AND action = 0
       GROUP BY patient`,
      [patients.map(bytes), bytes(this.material.entity)],
    )
    return new Map(rows.map(({ patient, labels }) => [hex(patient), labels]))
  }

  #finding(receipt: string, what: string): Finding {
    return { check: 'receipts', where: `${receipt} proxy ${this.proxy.slice(0, 10)}`.trim(), what }
  }
}

const maskOf = (label: string): bigint => maskOfLabelId(label) ?? labelBits([])
const nameOf = (label: string): string => labelCodes(maskOf(label)).join(' ')

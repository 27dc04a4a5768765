import { AUDIT } from '../../consent/labels.js'
import { type SqlVersion, storedVersion } from '../../records/stored-version.js'
import { CAPSULE_SYSTEM } from '../balp.js'
import { bytes, type Finding, hex, type Material, reason, type ToldReceipt } from './check.js'

/** Whether the trail tells of what proxies did for us: their receipts name the AuditEvent, which names patient and capsules. */
export class RequestsTold {
  /** Capsules that an AuditEvent names, by its id and patient; several receipts name the same one. */
  readonly #named = new Map<string, ReadonlySet<string> | string>()

  constructor(private readonly material: Material) {}

  async *missing(receipts: readonly ToldReceipt[]): AsyncGenerator<Finding> {
    await this.#read(receipts.filter((receipt) => !this.#named.has(nameOf(receipt))))
    for (const receipt of receipts) {
      const what = this.#faultOf(receipt)
      if (what === null) continue
      const where = `receipt ${receipt.sequence} of proxy ${receipt.proxy.slice(0, 10)}`
      yield { check: 'receipts', where, what }
    }
  }

  #faultOf(receipt: ToldReceipt): string | null {
    const found = this.#named.get(nameOf(receipt))
    const did = `The proxy re-encrypted ${receipt.capsules.length} capsules for us`
    if (found === undefined) return `${did}, and no AuditEvent/${receipt.event} of $import tells of it.`
    if (typeof found === 'string')
      return `${did}, and AuditEvent/${receipt.event} that tells of it cannot be read: ${found}`
    const untold = receipt.capsules.filter((capsule) => !found.has(capsule)).length
    return untold === 0 ? null : `${did}, and AuditEvent/${receipt.event} does not tell of ${untold} of them.`
  }

  async #read(receipts: readonly ToldReceipt[]): Promise<void> {
    if (receipts.length === 0) return
    const { rows } = await this.material.database.query<SqlVersion>(
      `SELECT r.pk, r.type, r.id, r.version, v.last_updated, r.deleted, v.patient, r.origin, v.labels, v.categories,
         NULL AS source, NULL AS cid, v.body, v.content_hash, v.salt, v.author
       FROM resource r JOIN resource_version v ON v.resource_pk = r.pk AND v.version = 1
       WHERE r.type = 'AuditEvent' AND r.id = ANY($1::text[]) AND r.origin = $2 AND r.labels = $3 AND v.body IS NOT NULL`,
      [receipts.map(({ event }) => event), bytes(this.material.entity), AUDIT],
    )
    const opened = await Promise.all(rows.map((row) => this.#capsulesOf(row)))
    rows.forEach((row, i) => {
      const patient = row.patient === null ? '' : hex(row.patient)
      this.#named.set(`${row.id}|${patient}`, opened[i] as ReadonlySet<string> | string)
    })
  }

  /** @returns why not, for one that cannot be opened */
  async #capsulesOf(row: SqlVersion): Promise<ReadonlySet<string> | string> {
    try {
      const body = await this.material.openTrail(storedVersion(row))
      const { entity = [] } = JSON.parse(Buffer.from(body).toString('utf8')) as { entity?: AuditEntity[] }
      return new Set(
        entity.flatMap(({ what }) =>
          what?.identifier?.system === CAPSULE_SYSTEM ? [what.identifier.value ?? ''] : [],
        ),
      )
    } catch (error) {
      return reason(error)
    }
  }
}

interface AuditEntity {
  readonly what?: { readonly identifier?: { readonly system?: string; readonly value?: string } }
}

function nameOf({ event, patient }: ToldReceipt): string {
  return `${event}|${patient}`
}

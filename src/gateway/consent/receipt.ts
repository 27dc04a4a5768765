import { hash, randomUUID } from 'node:crypto'
import encodeQR from 'qr'
import { canonicalJson } from '../../audit/canonical-json.js'
import { requireScope } from '../../auth/allows.js'
import { ledgerGrants, consentHistory } from '../../consent/ledger-grants.js'
import type { PatientId } from '../../consent/permit.js'
import {
  consentRecord,
  type ConsentReceipt,
  proveGrant,
  RECORD_SCHEMA,
  type ReceiptGrant,
  receiptEvent,
  receiptGrant,
} from '../../consent/receipt.js'
import { verifyReceipt } from '../../consent/receipt-verdict.js'
import { ConsentryError } from '../../errors.js'
import { storedResource } from '../../fhir/stored-resource.js'
import type { LedgerReader } from '../../ledger/reads.js'
import type { Sql } from '../../records/database.js'
import type { PolicyDocuments } from '../../exchange/policy-documents.js'
import type { AuditedHandler } from '../audited.js'
import { disclose, trace } from '../disclose.js'
import { missing, withoutExistence } from '../missing.js'
import type { OperationTable } from '../operations.js'
import type { GatewayParts } from '../parts.js'
import { released } from '../release.js'
import { requireInsideScope } from '../scope-filter.js'
import type { ConsentLinks } from './links.js'
import { receiptCode } from './receipt-code.js'

export interface ReceiptParts {
  readonly sql: Sql
  readonly reader: LedgerReader
  readonly links: Pick<ConsentLinks, 'of'>
  readonly documents: Pick<PolicyDocuments, 'texts'>
}

/**
 * `Consent/[id]/$receipt`: what the patient takes home of a grant, with the proof that the ledger has it; `npm run verify-receipt`
 * checks it offline. Decided and audited like a read of the Consent.
 */
export function receiptOperations(parts: GatewayParts, receipts: ReceiptParts): OperationTable {
  return { 'Consent/[id]/$receipt': released(parts, receipt(parts, receipts)) }
}

function receipt(parts: GatewayParts, { sql, reader, links, documents }: ReceiptParts): AuditedHandler {
  return async (request, trail) => {
    const name = `Consent/${request.id}`
    const filters = requireScope(request.principal, 'Consent', 'read')
    const [row] = await parts.records.read([{ type: 'Consent', id: request.id as string }])
    if (row) await trace(parts, trail, [row])
    else trail.touches(name)
    if (!row || row.deleted) throw await missing(parts, request, name)
    const permit = await withoutExistence(parts, request, parts.access.permit(request.principal, 'read', [row]))
    await requireInsideScope(parts, request, row, filters)

    const [link] = await links.of([row.id])
    const granted = link === undefined ? undefined : await grantOf(sql, link.terms.patient, link.key)
    if (granted === undefined) {
      throw new ConsentryError('conflict', `${name} is not on the ledger (yet): there is nothing to prove.`)
    }
    const { terms, grantedAt, decidedAt } = granted
    const events = [grantedAt, ...(decidedAt === grantedAt ? [] : [decidedAt])].map(receiptEvent)
    const grant = receiptGrant(terms)
    const { chainId, addresses } = reader.contracts
    const contracts = {
      ConsentRegistry: addresses.ConsentRegistry,
      IdentityRegistry: addresses.IdentityRegistry,
    }
    const proof = await proveGrant(reader.rpc, contracts, grant)
    const [body] = await disclose(parts, request, trail, permit, [row], { interaction: '$receipt' })
    const made: ConsentReceipt = {
      schema_version: RECORD_SCHEMA,
      receipt_id: `urn:uuid:${randomUUID()}`,
      record: consentRecord({ record_id: `${parts.baseUrl}/${name}`, controller: parts.entity }, grant, events),
      consent: storedResource(body as Uint8Array),
      ledger: { chain_id: chainId, contracts, grant, events, proof, ...(await policyIn(documents, grant)) },
    }
    verifyReceipt(made)
    return { status: 200, headers: {}, body: parameters(made) }
  }
}

async function policyIn(
  documents: ReceiptParts['documents'],
  { policyHash }: ReceiptGrant,
): Promise<{ policy?: string }> {
  if (policyHash === undefined) return {}
  const text = (await documents.texts([policyHash])).get(policyHash)
  return text === undefined ? {} : { policy: Buffer.from(text).toString() }
}

async function grantOf(sql: Sql, patient: PatientId, key: string) {
  const histories = await consentHistory(sql, [patient])
  return ledgerGrants(patient, histories.get(patient) ?? []).find((grant) => grant.key === key)
}

function parameters(made: ConsentReceipt): object {
  const text = canonicalJson(made)
  const code = receiptCode(made, hash('sha256', text, 'hex'))
  return {
    resourceType: 'Parameters',
    parameter: [
      {
        name: 'receipt',
        valueAttachment: {
          contentType: 'application/json',
          data: Buffer.from(text).toString('base64'),
          title: 'consent-receipt.json',
          hash: hash('sha1', text, 'base64'),
        },
      },
      { name: 'code', valueString: code },
      {
        name: 'qr',
        valueAttachment: {
          contentType: 'image/svg+xml',
          data: Buffer.from(encodeQR(code, 'svg', { ecc: 'medium' })).toString('base64'),
          title: 'consent-receipt.svg',
        },
      },
    ],
  }
}

import { auditLeafHash } from '../audit/audit-trail.js'
import type { VerifiableLog } from '../audit/log.js'
import { type LogProof, type ProvenHead, proveLeaf } from '../audit/log-proof.js'
import { requireScope } from '../auth/allows.js'
import { ConsentryError } from '../errors.js'
import type { Contracts } from '../ledger/contracts.js'
import type { AuditedHandler } from './audited.js'
import { disclose, trace } from './disclose.js'
import { missing, withoutExistence } from './missing.js'
import type { OperationTable } from './operations.js'
import type { GatewayParts } from './parts.js'
import { released } from './release.js'
import { requireInsideScope } from './scope-filter.js'

/**
 * `AuditEvent/[id]/$verify` and `Provenance/[id]/$verify`: Parameters that let a third party check, with an RPC URL of
 * the chain and without trust in this gateway, that the record is in the audit log and that the log was never rewritten.
 * Decided and audited like a read of the record.
 */
export function verifyOperations(parts: GatewayParts, log: VerifiableLog, contracts: Contracts): OperationTable {
  const run = released(parts, verify(parts, log, contracts))
  return { 'AuditEvent/[id]/$verify': run, 'Provenance/[id]/$verify': run }
}

function verify(parts: GatewayParts, log: VerifiableLog, contracts: Contracts): AuditedHandler {
  return async (request, trail) => {
    const ref = { type: request.type as string, id: request.id as string }
    const name = `${ref.type}/${ref.id}`
    const filters = requireScope(request.principal, ref.type, 'read')
    const [row] = await parts.records.read([ref])
    if (!row) {
      trail.touches(name)
      throw await missing(parts, request, name)
    }
    await trace(parts, trail, [row])
    const permit = await withoutExistence(parts, request, parts.access.permit(request.principal, 'read', [row]))
    await requireInsideScope(parts, request, row, filters)
    const proof = await proveLeaf(log, contracts, ref)
    if (proof === null) {
      throw new ConsentryError(
        'invalid',
        `${name} was written by a client: only the gateway's own records are in the audit log.`,
      )
    }
    // Of an erased record the proofs still hold, though nobody can say any more what it said.
    const opened = row.deleted ? [] : [row]
    const [body] = await disclose(parts, request, trail, permit, opened, { interaction: '$verify' })
    if (body !== undefined) requireLeaf(name, body, proof)
    return { status: 200, headers: {}, body: parameters(proof) }
  }
}

function requireLeaf(name: string, body: Uint8Array, { salt, leafHash }: LogProof): void {
  const hash = salt === null ? null : auditLeafHash(Buffer.from(salt.slice(2), 'hex'), body)
  if (hash !== null && `0x${Buffer.from(hash).toString('hex')}` === leafHash) return
  throw new ConsentryError('integrity', `${name} is not what was entered into the audit log: it was altered.`)
}

function parameters(proof: LogProof): object {
  const { leafHash, salt, index, inclusion, consistency, segments } = proof
  return {
    resourceType: 'Parameters',
    parameter: [
      { name: 'anchored', valueBoolean: inclusion !== null },
      { name: 'leafHash', valueString: leafHash },
      ...(salt === null ? [] : [{ name: 'salt', valueString: salt }]),
      ...(index === null ? [] : [{ name: 'index', valueString: String(index) }]),
      ...headParameter('inclusion', inclusion),
      ...headParameter('consistency', consistency),
      ...segments.map((cid) => ({ name: 'segment', valueString: cid })),
    ],
  }
}

/** Numbers are decimal text, as in the ledger evidence of fhir-profiles. */
function headParameter(name: string, head: ProvenHead | null): object[] {
  if (head === null) return []
  const { size, root, proof, evidence } = head
  const values: [string, string | number][] = [
    ['size', size],
    ['root', root],
    ...proof.map((hash): [string, string] => ['proof', hash]),
    ['chainId', evidence.chainId],
    ['contract', evidence.contract],
    ['transaction', evidence.transactionHash],
    ['blockNumber', evidence.blockNumber],
    ['blockHash', evidence.blockHash],
    ['logIndex', evidence.logIndex],
  ]
  return [{ name, part: values.map(([part, value]) => ({ name: part, valueString: String(value) })) }]
}

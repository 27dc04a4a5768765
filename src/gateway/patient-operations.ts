import { requireScope } from '../auth/allows.js'
import { ConsentryError } from '../errors.js'
import type { AuditedHandler } from './audited.js'
import { recordAccess, trace } from './disclose.js'
import { missing, withoutExistence } from './missing.js'
import type { OperationTable } from './operations.js'
import type { GatewayParts } from './parts.js'
import { PATIENT_ID_SYSTEM } from './patient-compartment.js'
import { released } from './release.js'
import { requireInsideScope } from './scope-filter.js'

/**
 * `Patient/[id]/$ledger-id`: under which random id the ledger knows the patient, to whoever may read the Patient. A
 * Patient of another hospital that carries it as identifier is the same patient.
 */
export function patientOperations(parts: GatewayParts): OperationTable {
  return { 'Patient/[id]/$ledger-id': released(parts, ledgerId(parts)) }
}

function ledgerId(parts: GatewayParts): AuditedHandler {
  return async (request, trail) => {
    const filters = requireScope(request.principal, 'Patient', 'read')
    const [row] = await parts.records.read([{ type: 'Patient', id: request.id as string }])
    if (row) await trace(parts, trail, [row])
    else trail.touches(`Patient/${request.id}`)
    if (!row || row.deleted) throw await missing(parts, request, `Patient/${request.id}`)
    const permit = await withoutExistence(parts, request, parts.access.permit(request.principal, 'read', [row]))
    await requireInsideScope(parts, request, row, filters)
    if (row.patient === null) throw new ConsentryError('not-found', `Patient/${request.id} is not known to the ledger.`)
    trail.opened.add(permit, [row])
    await recordAccess(parts, request, trail, { interaction: '$ledger-id' })
    const identifier = { system: PATIENT_ID_SYSTEM, value: row.patient }
    const body = { resourceType: 'Parameters', parameter: [{ name: 'identifier', valueIdentifier: identifier }] }
    return { status: 200, headers: {}, body }
  }
}

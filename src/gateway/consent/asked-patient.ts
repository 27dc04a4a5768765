import type { PatientId, RecordSubject } from '../../consent/permit.js'
import { NOTICE } from '../../consent/labels.js'
import { categoryBits } from '../../consent/terms.js'
import { ConsentryError } from '../../errors.js'
import type { InteractionRequest } from '../interaction.js'
import { isForeign, missing, withoutExistence } from '../missing.js'
import { operationInput } from '../operation-input.js'
import type { GatewayParts } from '../parts.js'
import { PATIENT_ID_SYSTEM } from '../patient-compartment.js'
import type { Trail } from '../trail.js'

/**
 * Whom an operation about a patient is about: `Patient/[id]` of this server, or, at the type, the patient of an `identifier` of the ledger,
 * who may be another hospital's. The trail names the patient from then on; nothing of the record is told.
 *
 * @throws ConsentryError `not-found`, `invalid`
 */
export async function askedPatient(
  parts: GatewayParts,
  request: InteractionRequest,
  trail: Trail,
): Promise<{ readonly id: PatientId; readonly reference: string }> {
  if (request.id !== undefined) {
    const reference = `Patient/${request.id}`
    trail.touches(reference)
    const known = (await parts.patients.known([request.id])).get(request.id)
    if (known === undefined || known.state !== 'present') throw await missing(parts, request, reference)
    trail.concerns(known.id, reference)
    return { id: known.id, reference }
  }
  const [identifier] = operationInput(request).objects('identifier')
  const { system, value } = identifier ?? {}
  if (system !== PATIENT_ID_SYSTEM || typeof value !== 'string' || !/^0x[0-9a-fA-F]{64}$/.test(value)) {
    throw new ConsentryError(
      'invalid',
      `Of a patient who is not a Patient of this server the parameter identifier must be that of the ledger, system ${PATIENT_ID_SYSTEM}.`,
      { code: 'value', expression: ['Parameters.parameter:identifier'] },
    )
  }
  const id = value.toLowerCase() as PatientId
  const local = (await parts.patients.localIds([id])).get(id)?.[0]
  const reference = `Patient/${local ?? 'unknown'}`
  trail.concerns(id, reference)
  return { id, reference }
}

/** @throws ConsentryError `forbidden` for a client of another entity: its own gateway speaks for it on the ledger */
export function requireOwnClient(parts: GatewayParts, { principal }: InteractionRequest, what: string): void {
  if (principal.entity === parts.entity) return
  throw new ConsentryError('forbidden', `The gateway of the client’s own entity ${what}.`)
}

/**
 * The caller may hear of what is asked, granted and forbidden about a patient: it is a client of our own entity, active on the ledger, and
 * inside of its launch context. No consent of the patient is needed for that: it is about who may have one.
 *
 * @throws ConsentryError as `Access.permit`
 */
export async function requireNotices(
  parts: GatewayParts,
  request: InteractionRequest,
  patient: PatientId,
): Promise<void> {
  const subject: RecordSubject = { patient, origin: parts.entity, labels: NOTICE, categories: categoryBits([]) }
  const permit = parts.access.permit(request.principal, 'read', [subject])
  await (isForeign(parts, request) ? withoutExistence(parts, request, permit) : permit)
}

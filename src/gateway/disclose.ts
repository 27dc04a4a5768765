import { patientsOf, type Permit, type RecordSubject } from '../consent/permit.js'
import type { Occurrence } from '../audit/occurrence.js'
import type { ResourceRow, StoredVersion } from '../records/types.js'
import type { InteractionRequest } from './interaction.js'
import { occurrence } from './occurrence.js'
import type { GatewayParts } from './parts.js'
import type { Trail } from './trail.js'

/** Says in the trail which patients and records a disclosure is about. */
export async function trace(parts: GatewayParts, trail: Trail, rows: readonly ResourceRow[]): Promise<void> {
  await tracePatients(parts, trail, rows)
  for (const { type, id, version, patient } of rows) trail.touches(`${type}/${id}`, version, patient)
}

export async function tracePatients(
  parts: GatewayParts,
  trail: Trail,
  subjects: readonly Pick<RecordSubject, 'patient' | 'others'>[],
): Promise<void> {
  const patients = [...new Set(subjects.flatMap(patientsOf))]
  const localIds = await parts.patients.localIds(patients)
  for (const patient of patients) trail.concerns(patient, `Patient/${localIds.get(patient)?.[0] ?? 'unknown'}`)
}

/**
 * The end of the life of a read: the audit records are durable, then the bodies are fetched and opened with the
 * permit, and what the ledger said meanwhile is heard before they go out. Bytes as stored, except that an imported
 * record tells its source.
 */
export async function disclose(
  parts: GatewayParts,
  request: InteractionRequest,
  trail: Trail,
  permit: Permit,
  rows: readonly StoredVersion[],
  what: Pick<Occurrence, 'interaction'> & Partial<Occurrence>,
): Promise<Uint8Array[]> {
  await recordAccess(parts, request, trail, what)
  const bodies = await parts.bodies.open(permit, rows)
  const opened = { permit, subjects: rows }
  await parts.access.confirm(request.principal, [opened])
  trail.opened.add(permit, rows)
  return bodies
}

/** The audit records of what succeeded, durable when it resolves. */
export async function recordAccess(
  parts: GatewayParts,
  request: InteractionRequest,
  trail: Trail,
  what: Pick<Occurrence, 'interaction'> & Partial<Occurrence>,
): Promise<void> {
  const audit = await parts.audit.records([
    occurrence(request, parts.clock(), { outcome: '0', ...trail.told, ...what }),
  ])
  await parts.records.commit({ audit })
}

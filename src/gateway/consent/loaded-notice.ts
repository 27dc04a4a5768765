import { requireScope } from '../../auth/allows.js'
import { ConsentryError } from '../../errors.js'
import { storedResource } from '../../fhir/stored-resource.js'
import type { Resource } from '../../fhir/types.js'
import type { StoredVersion } from '../../records/types.js'
import { disclose, trace } from '../disclose.js'
import type { InteractionRequest, InteractionResponse } from '../interaction.js'
import { missing, withoutExistence } from '../missing.js'
import type { GatewayParts } from '../parts.js'
import { writtenResponse } from '../represent.js'
import { requireInsideScope } from '../scope-filter.js'
import type { Trail } from '../trail.js'
import type { AccessParts } from './break-glass.js'
import type { Notice, NoticeKind } from './notices.js'

/** A notice that an operation is about, disclosed to the caller like any read. */
export interface LoadedNotice {
  readonly row: StoredVersion
  readonly resource: Resource
  readonly notice: Notice
}

/** @throws ConsentryError `not-found`; `conflict` for a Task that is no notice of this kind */
export async function loadNotice(
  parts: GatewayParts,
  { notices }: Pick<AccessParts, 'notices'>,
  request: InteractionRequest,
  trail: Trail,
  kind: NoticeKind,
  /** Done before the disclosure is recorded, whose record then names what it found. */
  before: (notice: Notice) => Promise<void> = async () => undefined,
): Promise<LoadedNotice> {
  const filters = requireScope(request.principal, 'Task', 'read')
  const reference = `Task/${request.id}`
  const [row] = await parts.records.read([{ type: 'Task', id: request.id as string }])
  if (row) await trace(parts, trail, [row])
  else trail.touches(reference)
  if (!row || row.deleted) throw await missing(parts, request, reference)
  const permit = await withoutExistence(parts, request, parts.access.permit(request.principal, 'read', [row]))
  await requireInsideScope(parts, request, row, filters)
  const notice = (await notices.of([row.id])).get(row.id)
  if (notice?.kind !== kind) throw new ConsentryError('conflict', `${reference} is ${NOT[kind]}.`)
  await before(notice)
  const [body] = await disclose(parts, request, trail, permit, [row], { interaction: `$${request.operation}` })
  return { row, resource: storedResource(body as Uint8Array), notice }
}

const NOT: Readonly<Record<NoticeKind, string>> = {
  request: 'not a request of access',
  review: 'not the review of an emergency access',
  alarm: 'not the notice of an emergency access',
}

/** The notice as it is now. */
export async function noticeResponse(
  parts: GatewayParts,
  request: InteractionRequest,
  type: string,
  id: string,
): Promise<InteractionResponse> {
  const [row] = await parts.records.read([{ type, id }])
  if (!row) throw new ConsentryError('internal', 'The notice is gone.')
  const permit = await parts.access.permit(request.principal, 'read', [row])
  const [body] = await parts.bodies.open(permit, [row])
  await parts.access.confirm(request.principal, [{ permit, subjects: [row] }])
  const { version, lastUpdated } = row
  return writtenResponse(request, { type, id, version, lastUpdated, outcome: 'updated', body: body as Uint8Array })
}

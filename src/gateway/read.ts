import { requireScope } from '../auth/allows.js'
import { ConsentryError } from '../errors.js'
import type { StoredVersion } from '../records/types.js'
import { audited } from './audited.js'
import { nativeBinary } from './binary.js'
import { disclose, trace } from './disclose.js'
import { isHeld } from './if-none-match.js'
import type { Handler, InteractionRequest, InteractionResponse } from './interaction.js'
import { missing, withoutExistence } from './missing.js'
import type { GatewayParts } from './parts.js'
import { cutAsked } from './read-subset.js'
import { released } from './release.js'
import { etag, lastModified, versionOfEtag } from './represent.js'
import { requireInsideScope } from './scope-filter.js'
import type { Trail } from './trail.js'

/** read, https://hl7.org/fhir/R4/http.html#read, with If-None-Match and If-Modified-Since. */
export function read(parts: GatewayParts): Handler {
  return audited(
    parts,
    released(parts, async (request, trail) => {
      const [row] = await parts.records.read([{ type: request.type as string, id: request.id as string }])
      return respondWith(parts, request, trail, row ?? null, 'read')
    }),
  )
}

/** vread, https://hl7.org/fhir/R4/http.html#vread */
export function vread(parts: GatewayParts): Handler {
  return audited(
    parts,
    released(parts, async (request, trail) => {
      const version = Number(/^[1-9]\d{0,8}$/.exec(request.vid as string)?.[0] ?? 0)
      const ref = { type: request.type as string, id: request.id as string, version }
      const [row] = version === 0 ? [] : await parts.records.readVersion([ref])
      return respondWith(parts, request, trail, row ?? null, 'vread')
    }),
  )
}

/** Scope, then existence, then consent. */
async function respondWith(
  parts: GatewayParts,
  request: InteractionRequest,
  trail: Trail,
  row: StoredVersion | null,
  interaction: 'read' | 'vread',
): Promise<InteractionResponse> {
  const type = request.type as string
  const cut = cutAsked(request)
  const filters = requireScope(request.principal, type, interaction)
  // As in a history: a version is shown to whoever may read it and the resource as it is now.
  const ref = { type, id: request.id as string }
  const now = interaction === 'vread' ? await parts.records.read([ref]) : []
  if (row === null) {
    trail.touches(`${type}/${request.id}`)
    throw await missing(parts, request, `${type}/${request.id}${version(request)}`)
  }
  await trace(parts, trail, [row])
  const subjects = [row, ...now.filter((each) => each !== null)]
  const permit = await withoutExistence(parts, request, parts.access.permit(request.principal, 'read', subjects))
  await requireInsideScope(parts, request, row, filters)
  if (filters !== null && interaction === 'vread') await requireCurrent(parts, row)
  if (row.deleted) {
    throw new ConsentryError(
      'gone',
      `${type}/${row.id} was deleted${interaction === 'vread' ? ' with this version' : ''}.`,
    )
  }
  const headers = { etag: etag(row.version), 'last-modified': lastModified(row.lastUpdated) }
  const [body] = await disclose(parts, request, trail, permit, [row], { interaction })
  const { lastUpdated } = row
  if (isUnchanged(request, row)) return { status: 304, headers, lastUpdated }
  const response = { status: 200, headers, body: cut(body as Uint8Array), lastUpdated }
  return type === 'Binary' ? nativeBinary(request, response, response.body) : response
}

/** The index knows the current version alone, so whether an older one is inside a granular scope is not known. */
async function requireCurrent(parts: GatewayParts, { type, id, version }: StoredVersion): Promise<void> {
  const [current] = await parts.records.read([{ type, id }])
  if (current?.version === version) return
  throw new ConsentryError('forbidden', 'Earlier versions are not served under a granular scope.')
}

function version(request: InteractionRequest): string {
  return request.vid === undefined ? '' : `/_history/${request.vid}`
}

function isUnchanged(request: InteractionRequest, row: StoredVersion): boolean {
  const known = request.headers['if-none-match']
  if (known !== undefined) return isHeld(known, (tag) => versionOfEtag(tag, 'If-None-Match') === row.version)
  const since = Date.parse(request.headers['if-modified-since'] ?? '')
  return Number.isFinite(since) && Math.floor(row.lastUpdated / 1000) * 1000 <= since
}

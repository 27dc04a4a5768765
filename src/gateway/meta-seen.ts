import { allows, requireScope } from '../auth/allows.js'
import { ConsentryError } from '../errors.js'
import { structures } from '../fhir/definitions/structures.js'
import type { SeenName } from '../records/names-seen.js'
import type { RowFilter } from '../records/types.js'
import type { AuditedHandler } from './audited.js'
import { recordAccess } from './disclose.js'
import type { InteractionRequest } from './interaction.js'
import type { OperationTable } from './operations.js'
import type { GatewayParts } from './parts.js'
import { released } from './release.js'

/** Different profiles, tags and labels of one answer. */
const MOST = 1_000

const LISTS = { _profile: 'profile', _security: 'security', _tag: 'tag' } as const

/** The trail is indexed by what it is asked for, and these are not kept of it. */
const WITHOUT_NAMES: ReadonlySet<string> = new Set(['AuditEvent'])

/**
 * `$meta` of a type and of the system, https://hl7.org/fhir/R4/resource-operation-meta.html: profiles, security labels and tags of all that the caller
 * may see, each once, found in the index: the decision is in the SQL, and no record is opened. Codings come without what they display.
 */
export function metaSeenOperations(parts: GatewayParts): OperationTable {
  return { $meta: released(parts, metaSeen(parts)), '*/$meta': released(parts, metaSeen(parts)) }
}

function metaSeen(parts: GatewayParts): AuditedHandler {
  return async (request, trail) => {
    const asked = typesOf(request).flatMap((type) => Object.keys(LISTS).map((param) => ({ type, param })))
    const filter = await parts.access.filter(request.principal, 'read')
    const names = await parts.records.namesSeen(asked, MOST, filter)
    const again = async (now: RowFilter) => (await parts.records.namesSeen(asked, MOST, now)).length
    trail.opened.count(filter, names.length, again)
    await recordAccess(parts, request, trail, { interaction: '$meta' })
    const body = { resourceType: 'Parameters', parameter: [{ name: 'return', valueMeta: metaOf(names) }] }
    return { status: 200, headers: {}, body }
  }
}

/** Those of which the token reaches every resource. @throws ConsentryError `forbidden` */
function typesOf({ principal, type }: InteractionRequest): readonly string[] {
  if (type !== undefined) {
    if (requireScope(principal, type, 'search-type') !== null) {
      throw new ConsentryError('forbidden', '$meta is not served under a granular scope.', { code: 'security' })
    }
    if (WITHOUT_NAMES.has(type)) {
      throw new ConsentryError(
        'not-supported',
        `$meta of ${type} is not served: what its records say of it is not indexed.`,
      )
    }
    return [type]
  }
  const open = structures().resources.filter((each) => {
    const decision = allows(principal, each, 'search-system')
    return decision.allowed && decision.filters === null && !WITHOUT_NAMES.has(each)
  })
  if (open.length === 0) requireScope(principal, '*', 'search-system')
  return open
}

function metaOf(names: readonly SeenName[]): Record<string, unknown> {
  const meta: Record<string, unknown[]> = {}
  for (const [param, list] of Object.entries(LISTS)) {
    const found = new Map(
      names
        .filter((name) => name.param === param)
        .map(({ system, code }) => [JSON.stringify([system, code]), { system, code }] as const),
    )
    const values = [...found.keys()].sort().flatMap((key) => found.get(key) ?? [])
    if (values.length === 0) continue
    meta[list] = values.map(({ system, code }) =>
      list === 'profile' ? code : { ...(system === null ? {} : { system }), code },
    )
  }
  return meta
}

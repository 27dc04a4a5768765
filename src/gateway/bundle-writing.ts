import { requireWriteScope } from '../auth/allows.js'
import type { ResolvedEntry } from '../fhir/bundle.js'
import type { Resource, ValidResource } from '../fhir/types.js'
import type { Claim } from '../records/types.js'
import { requireAddress } from './addressed.js'
import { patchIn } from './entry-answers.js'
import { refuseServerWritten } from './input.js'
import type { Intent } from './intent.js'
import type { InteractionRequest } from './interaction.js'
import type { GatewayParts } from './parts.js'
import { changeOf, patchIntents, type PatchTarget } from './patch.js'
import { versionOfEtag } from './represent.js'
import type { Trail } from './trail.js'

/** An entry of a transaction that changes something, and what it wants. */
export interface Writing {
  readonly entry: ResolvedEntry
  readonly intent: Intent
}

const INTERACTION = {
  create: 'create',
  existing: 'create',
  update: 'update',
  patch: 'patch',
  delete: 'delete',
  nothing: 'delete',
} as const

/** @throws ConsentryError `forbidden` for what the token may not change */
export function requireScopes(request: InteractionRequest, entries: readonly ResolvedEntry[]): void {
  const needed = new Set(
    entries.flatMap(({ action, type }) =>
      action in INTERACTION ? [`${type} ${INTERACTION[action as 'create']}`] : [],
    ),
  )
  for (const pair of needed) {
    const [type = '', interaction = ''] = pair.split(' ')
    requireAddress(type, 'Bundle.entry.request.url')
    requireWriteScope(request.principal, type, interaction)
  }
}

export function isWrite({ action }: ResolvedEntry): boolean {
  return ['create', 'update', 'patch', 'delete'].includes(action)
}

/** @param claims of conditional creates, by their condition */
export async function writingOf(
  parts: GatewayParts,
  request: InteractionRequest,
  trail: Trail,
  entries: readonly ResolvedEntry[],
  claims: ReadonlyMap<string, Claim>,
): Promise<Writing[]> {
  const patches = entries.filter(({ action }) => action === 'patch')
  const plain = entries.flatMap((entry) => intentOf(entry, claims))
  const patched = patches.length === 0 ? [] : await patchIntents(parts, request, trail, patches.map(targetOf))
  return [...plain, ...patched.map((intent, i) => ({ entry: patches[i] as ResolvedEntry, intent }))]
}

function targetOf({ index, type = '', id = '', resource, ifMatch }: ResolvedEntry): PatchTarget {
  const version = versionOfEtag(ifMatch, `Bundle.entry[${index}].request.ifMatch`)
  const change = changeOf(patchIn(resource))
  return {
    type,
    id,
    at: `Bundle.entry[${index}].resource`,
    change,
    ...(version === undefined ? {} : { ifMatch: version }),
  }
}

function intentOf(entry: ResolvedEntry, claims: ReadonlyMap<string, Claim>): Writing[] {
  const { action, index, type = '', id = '', method } = entry
  const at = `Bundle.entry[${index}].resource`
  const ifMatch = versionOfEtag(entry.ifMatch, `Bundle.entry[${index}].request.ifMatch`)
  const match = ifMatch === undefined ? {} : { ifMatch }
  if (action === 'delete') refuseServerWritten(type, at)
  if (action === 'delete') return [{ entry, intent: { kind: 'delete', type, id, at, ...match } }]
  if (action !== 'create' && action !== 'update') return []
  refuseServerWritten(type, at, entry.resource)
  const claim = entry.condition === undefined ? undefined : claims.get(entry.condition)
  // The Bundle was validated with its entries; rewriting put ids and references of this server into it.
  const resource = entry.resource as Resource as ValidResource
  const claimed = action === 'create' && claim !== undefined ? { claim } : {}
  const asked = method === 'PUT' ? 'PUT' : 'POST'
  const unmatched = entry.unmatched === true ? { unmatched: true } : {}
  return [
    { entry, intent: { kind: action, method: asked, type, id, resource, at, ...match, ...claimed, ...unmatched } },
  ]
}

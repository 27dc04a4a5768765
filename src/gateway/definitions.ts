import { createHash } from 'node:crypto'
import type { Clause, Searched } from '../clauses/clause.js'
import { asks } from '../clauses/reach.js'
import { ConsentryError } from '../errors.js'
import { stringify } from '../fhir/json.js'
import { ownDefinitions } from '../fhir/profiles.js'
import { matches, subjectOf } from '../fhir/search/matches.js'
import type { Resource } from '../fhir/types.js'
import { audited } from './audited.js'
import { recordAccess } from './disclose.js'
import { isHeld } from './if-none-match.js'
import type { Intent } from './intent.js'
import type { Handler, InteractionRequest } from './interaction.js'
import type { GatewayParts } from './parts.js'
import { cutAsked } from './read-subset.js'

/**
 * The conformance resources of fhir-profiles/ at `[type]/[id]`, the last segments of their canonical URL: what the
 * CapabilityStatement names can be read here, and found by search. They are the software's, public like the statement, so no consent and no
 * scope is asked; a read is audited like any other.
 */
export function withDefinitions(parts: GatewayParts, read: Handler): Handler {
  const serve = audited(parts, async (request, trail) => {
    const name = `${request.type}/${request.id}`
    const cut = cutAsked(request)
    trail.touches(name)
    await recordAccess(parts, request, trail, { interaction: 'read' })
    const body = served().get(name) as Uint8Array
    const etag = `W/"${createHash('sha256').update(body).digest('hex').slice(0, 16)}"`
    const held = isHeld(request.headers['if-none-match'], (tag) => tag === etag)
    return { status: held ? 304 : 200, headers: { etag }, body: cut(body) }
  })
  return (request: InteractionRequest) =>
    served().has(`${request.type}/${request.id}`) ? serve(request) : read(request)
}

/** @throws ConsentryError `method-not-allowed`: nobody puts another resource in the place of one of ours */
export function refuseDefinition({ type, id, at }: Intent): void {
  if (!served().has(`${type}/${id}`)) return
  throw new ConsentryError('method-not-allowed', `${type}/${id} comes with the server and is not changed.`, {
    expression: [at],
  })
}

/** What of ours a search finds, in the order of their ids. @param narrowed what the scopes of the token add for a type */
export function definitionsFound(
  searched: readonly Searched[],
  narrowed: (type: string) => readonly Clause[],
  base: string,
): Resource[] {
  const asked = new Map(searched.map(({ type, clauses }) => [type, clauses]))
  const found = ownDefinitions().filter((resource) => {
    const type = resource.resourceType
    const clauses = asked.get(type)
    if (clauses === undefined || clauses.some(isAboutOthers)) return false
    return matches(subjectOf(resource, base), { type, clauses: [...clauses, ...narrowed(type)] })
  })
  return found.sort((a, b) => ((a.id ?? '') < (b.id ?? '') ? -1 : 1))
}

/** Chains are about other resources, and no other one refers to ours. */
function isAboutOthers(clause: Clause): boolean {
  return asks(
    clause,
    (part) => part.is === 'chain' || part.is === 'has' || (part.is === 'filter' && part.kind === 'special'),
  )
}

let resources: ReadonlyMap<string, Uint8Array> | undefined

function served(): ReadonlyMap<string, Uint8Array> {
  resources ??= new Map(
    ownDefinitions().map((resource) => [`${resource.resourceType}/${resource.id}`, Buffer.from(stringify(resource))]),
  )
  return resources
}

import { createHash } from 'node:crypto'
import { requireScope } from '../auth/allows.js'
import type { Principal } from '../auth/principal.js'
import type { Clause, Searched } from '../clauses/clause.js'
import { asks } from '../clauses/reach.js'
import { ConsentryError } from '../errors.js'
import { type BaseAsked, baseDefinition, baseIds } from '../fhir/definitions/base.js'
import { stringify } from '../fhir/json.js'
import { ownDefinitions } from '../fhir/profiles.js'
import { parametersRevision } from '../fhir/search-parameters.js'
import { matches, type Subject, subjectOf } from '../fhir/search/matches.js'
import type { Resource } from '../fhir/types.js'
import { type AuditedHandler, audited } from './audited.js'
import { recordAccess } from './disclose.js'
import { isHeld } from './if-none-match.js'
import type { Intent } from './intent.js'
import type { Handler, InteractionRequest } from './interaction.js'
import type { GatewayParts } from './parts.js'
import { cutAsked } from './read-subset.js'
import { scopeClauses } from './scope-filter.js'

/**
 * The conformance resources of fhir-profiles/ at `[type]/[id]`, the last segments of their canonical URL: what the
 * CapabilityStatement names can be read here, and found by search. They are the software's, public like the statement, so no consent and no
 * scope is asked; a read is audited like any other.
 *
 * Those of the packages that are loaded, and R4's own, are read and found in the same way by whoever has the scope, and what somebody has stored under the same name comes
 * before them. They are in no rows: nothing of a patient is in them.
 */
export function withDefinitions(parts: GatewayParts, read: Handler): Handler {
  const serve = (definition: Resource, require?: Require) => audited(parts, serving(parts, definition, require))
  return async (request: InteractionRequest) => {
    const name = nameOf(request)
    const ours = own().get(name)
    if (ours !== undefined) return serve(ours)(request)
    const definition = enforced(parts, name)
    if (definition === undefined || (await stored(parts, request.principal, [definition])).size > 0)
      return read(request)
    return serve(definition, requireReach(parts))(request)
  }
}

/** Of a package, or else of R4 itself. */
function enforced(parts: GatewayParts, name: string): Resource | undefined {
  const [type = '', id = ''] = name.split('/')
  return loaded(parts).byName.get(name) ?? baseDefinition(type, id)
}

const nameOf = ({ type, id }: { readonly type?: string; readonly id?: string }): string => `${type}/${id}`
const refOf = ({ resourceType: type, id = '' }: Resource): { type: string; id: string } => ({ type, id })

type Require = (request: InteractionRequest, definition: Resource) => void

function serving(parts: GatewayParts, definition: Resource, require: Require = () => undefined): AuditedHandler {
  return async (request, trail) => {
    const cut = cutAsked(request)
    trail.touches(nameOf(request))
    require(request, definition)
    await recordAccess(parts, request, trail, { interaction: 'read' })
    const body = bodyOf(definition)
    const etag = `W/"${createHash('sha256').update(body).digest('hex').slice(0, 16)}"`
    const held = isHeld(request.headers['if-none-match'], (tag) => tag === etag)
    return { status: held ? 304 : 200, headers: { etag }, body: cut(body) }
  }
}

const bodyOf = (definition: Resource): Uint8Array => Buffer.from(stringify(definition))

/** @throws ConsentryError `forbidden` outside of the scopes of the token */
function requireReach(parts: GatewayParts): Require {
  return (request, definition) => {
    const type = definition.resourceType
    const clauses = scopeClauses(parts, type, requireScope(request.principal, type, 'read'))
    if (isFound(definition, clauses, parts.baseUrl)) return
    throw new ConsentryError('forbidden', `The scopes of the access token do not reach this ${type}.`)
  }
}

/** @throws ConsentryError `method-not-allowed`: nobody puts another resource in the place of one of ours */
export function refuseDefinition({ type, id, at }: Intent): void {
  if (!own().has(`${type}/${id}`)) return
  throw new ConsentryError('method-not-allowed', `${type}/${id} comes with the server and is not changed.`, {
    expression: [at],
  })
}

/**
 * What of ours, of packages and of R4 a search finds, in the order of their ids: one statement if the last two have any of it. R4's own are found by `url`, `_id` and their
 * whole `name`; in all other lists thousands of them would stand before what a site has.
 *
 * @param narrowed what the scopes of the token add for a type
 */
export async function definitionsFound(
  parts: GatewayParts,
  principal: Principal,
  searched: readonly Searched[],
  narrowed: (type: string) => readonly Clause[],
): Promise<Resource[]> {
  const asked = new Map(searched.map(({ type, clauses }) => [type, clauses]))
  const isAsked = (resource: Resource): boolean => {
    const clauses = asked.get(resource.resourceType)
    return clauses !== undefined && isFound(resource, [...clauses, ...narrowed(resource.resourceType)], parts.baseUrl)
  }
  const ofPackages = loaded(parts)
  const ofR4 = searched
    .flatMap(({ type, clauses }) => baseIds(type, baseAsked(clauses)).map((id) => `${type}/${id}`))
    .filter((name) => !own().has(name) && !ofPackages.byName.has(name))
    .slice(0, MOST_OF_R4)
    .flatMap((name) => enforced(parts, name) ?? [])
  const behind = [...searched.flatMap(({ type }) => ofPackages.byType.get(type) ?? []), ...ofR4].filter(isAsked)
  const replaced = await stored(parts, principal, behind)
  const found = [...[...own().values()].filter(isAsked), ...behind.filter((each) => !replaced.has(nameOf(refOf(each))))]
  return found.sort((a, b) => ((a.id ?? '') < (b.id ?? '') ? -1 : 1))
}

/** Each is read from a file. */
const MOST_OF_R4 = 100

/** What definitions may be found by; whether they are all that was asked for is looked at when they are read. */
function baseAsked(clauses: readonly Clause[]): BaseAsked {
  const filters = clauses.filter((clause) => clause.is === 'filter')
  return {
    ids: filters.flatMap((of) =>
      of.kind === 'token' && of.param === '_id' && of.modifier === undefined
        ? of.values.flatMap(({ code }) => code ?? [])
        : [],
    ),
    urls: filters.flatMap((of) =>
      of.kind === 'uri' && of.param === 'url' && of.modifier === undefined ? of.values.map(({ value }) => value) : [],
    ),
    names: filters.flatMap((of) =>
      of.kind === 'string' && of.param === 'name' && (of.modifier === undefined || of.modifier === 'exact')
        ? of.values.map(({ value }) => value)
        : [],
    ),
  }
}

/** Names of those that somebody has stored here, deleted ones too, and that the caller may read: of others nobody is told that they exist. */
async function stored(
  parts: GatewayParts,
  principal: Principal,
  definitions: readonly Resource[],
): Promise<Set<string>> {
  if (definitions.length === 0) return new Set()
  const rows = (await parts.records.read(definitions.map(refOf))).filter((row) => row !== null)
  if (rows.length === 0) return new Set()
  const permits = await parts.access.permits(principal, 'read', rows)
  return new Set(rows.flatMap((row, i) => (permits[i] === null ? [] : [nameOf(row)])))
}

/** Chains are about other resources, and no other one refers to definitions. */
function isFound(definition: Resource, clauses: readonly Clause[], base: string): boolean {
  if (clauses.some(isAboutOthers)) return false
  return matches(subject(definition, base), { type: definition.resourceType, clauses })
}

function isAboutOthers(clause: Clause): boolean {
  return asks(
    clause,
    (part) => part.is === 'chain' || part.is === 'has' || (part.is === 'filter' && part.kind === 'special'),
  )
}

/** What search parameters find in each, until there are others: a search goes through all of them. */
const subjects = new WeakMap<
  Resource,
  { readonly revision: number; readonly base: string; readonly subject: Subject }
>()

function subject(definition: Resource, base: string): Subject {
  const revision = parametersRevision()
  const known = subjects.get(definition)
  if (known?.revision === revision && known.base === base) return known.subject
  const made = subjectOf(definition, base)
  subjects.set(definition, { revision, base, subject: made })
  return made
}

type Named = ReadonlyMap<string, Resource>

let ours: Named | undefined

function own(): Named {
  ours ??= new Map(ownDefinitions().map((resource) => [nameOf(refOf(resource)), resource]))
  return ours
}

/** Every search asks for those of its types. */
interface Loaded {
  readonly byName: Named
  readonly byType: ReadonlyMap<string, readonly Resource[]>
}

const named = new WeakMap<readonly Resource[], Loaded>()

function loaded({ conformance }: GatewayParts): Loaded {
  const known = named.get(conformance.loaded)
  if (known !== undefined) return known
  const byName = namedDefinitions(conformance.loaded, own())
  const made = { byName, byType: Map.groupBy(byName.values(), ({ resourceType }) => resourceType) }
  named.set(conformance.loaded, made)
  return made
}

const ID = /^[A-Za-z0-9\-.]{1,64}$/

/**
 * Definitions of packages by `Type/id`. The last one of a name has it, as its canonical URL without a version means it; those before, and one whose id is that of
 * another definition, have their version behind it. What has no URL is no definition that could be asked for.
 */
export function namedDefinitions(definitions: readonly Resource[], taken: Named): Named {
  const byName = new Map<string, Resource>()
  for (const definition of definitions.toReversed()) {
    const { resourceType: type, url, version } = definition
    if (typeof url !== 'string') continue
    const id = definition.id ?? url.slice(url.lastIndexOf('/') + 1)
    const ids = id === '' ? [] : [id, `${id}-${String(version)}`].filter((each) => ID.test(each))
    const free = ids.find((each) => !byName.has(`${type}/${each}`) && !taken.has(`${type}/${each}`))
    if (free !== undefined) byName.set(`${type}/${free}`, { ...definition, id: free })
  }
  return byName
}

import { storedResource } from '../fhir/stored-resource.js'
import { allows } from '../auth/allows.js'
import { parseJson } from '../fhir/json.js'
import { Terminology } from '../fhir/terminology.js'
import type { Bundle, Resource } from '../fhir/types.js'
import type { InteractionRequest } from './interaction.js'
import type { GatewayParts } from './parts.js'
import { read } from './read.js'
import { searchType } from './search.js'

interface Wanted {
  readonly type: 'CodeSystem' | 'ValueSet'
  readonly canonical: string
}

/** Value sets that draw on value sets that draw on code systems, all of them stored. */
const ROUNDS = 5
const MAX_STORED = 200

/**
 * The terminology that is loaded, with what is stored here of the wanted and of all that these draw on. What is loaded is
 * not looked for; the rest is searched as the caller might do it, with its scopes, its consent and its audit record, two
 * searches a round however many canonicals.
 */
export async function withStored(
  parts: GatewayParts,
  request: InteractionRequest,
  wanted: readonly Wanted[],
  given?: Resource,
): Promise<Terminology> {
  const { terminology } = parts.conformance
  const stored: Resource[] = []
  const asked = new Set<string>()
  let open = [...wanted, ...(given === undefined ? [] : namedIn(given))]
  for (let round = 0; round < ROUNDS && stored.length < MAX_STORED; round++) {
    const lacking = open.filter((one) => !asked.has(keyOf(one)) && !isLoaded(terminology, one))
    if (lacking.length === 0) break
    for (const one of lacking) asked.add(keyOf(one))
    const found = await Promise.all(
      (['CodeSystem', 'ValueSet'] as const).map((type) =>
        search(parts, request, type, lacking.filter((one) => one.type === type).map(urlOf)),
      ),
    )
    stored.push(...found.flat())
    open = found.flat().flatMap(namedIn)
  }
  return stored.length === 0 ? terminology : new Terminology(stored, terminology)
}

/** The CodeSystem or ValueSet that the URL names, read as the caller may read it. */
export async function storedInstance(parts: GatewayParts, request: InteractionRequest): Promise<Resource> {
  const { params: _params, body: _body, operation: _operation, ...rest } = request
  const { body } = await read(parts)({ ...rest, interaction: 'read', method: 'GET', params: [], headers: {} })
  return storedResource(body as Uint8Array)
}

async function search(
  parts: GatewayParts,
  request: InteractionRequest,
  type: Wanted['type'],
  urls: readonly string[],
): Promise<Resource[]> {
  if (urls.length === 0 || !allows(request.principal, type, 'search-type').allowed) return []
  const { body: _body, id: _id, operation: _operation, ...rest } = request
  const url = urls.map((one) => one.replace(/[\\,$|]/g, '\\$&')).join(',')
  const params = [
    ['url', url],
    ['_count', String(Math.min(MAX_STORED, parts.limits.maxPageSize))],
  ] as const
  const answer = await searchType(parts)({
    ...rest,
    interaction: 'search-type',
    method: 'GET',
    type,
    params,
    headers: {},
  })
  // A search answers with a Bundle, in whichever form it comes.
  const bundle = (answer.body instanceof Uint8Array || typeof answer.body === 'string'
    ? parseJson(Buffer.from(answer.body as Uint8Array))
    : answer.body) as unknown as Bundle
  return (bundle.entry ?? []).flatMap(({ resource }) => (resource?.resourceType === type ? [resource] : []))
}

/** The code systems and value sets that a value set names. */
function namedIn({ resourceType, compose }: Resource): Wanted[] {
  if (resourceType !== 'ValueSet') return []
  const { include = [], exclude = [] } = (compose ?? {}) as {
    include?: readonly { readonly system?: string; readonly valueSet?: readonly string[] }[]
    exclude?: readonly { readonly system?: string; readonly valueSet?: readonly string[] }[]
  }
  return [...include, ...exclude].flatMap(({ system, valueSet = [] }) => [
    ...(system === undefined ? [] : [{ type: 'CodeSystem' as const, canonical: system }]),
    ...valueSet.map((canonical) => ({ type: 'ValueSet' as const, canonical })),
  ])
}

function isLoaded(terminology: Terminology, { type, canonical }: Wanted): boolean {
  return (type === 'CodeSystem' ? terminology.codeSystem(canonical) : terminology.valueSet(canonical)) !== undefined
}

const keyOf = ({ type, canonical }: Wanted): string => `${type} ${canonical}`
const urlOf = ({ canonical }: Wanted): string => canonical.split('|')[0] ?? ''

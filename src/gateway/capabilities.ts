import { capabilityStatement, interactionsFor, type TypeInteraction } from '../fhir/capability-statement.js'
import { compartmentTypes } from '../fhir/search/compartment-clause.js'
import { stringify } from '../fhir/json.js'
import type { FhirInteractions, InteractionResponse, OpenRequest } from './interaction.js'
import { parametersRevision } from '../fhir/search-parameters.js'
import { changesSomething, operationDefinition } from './operation-input.js'
import type { OperationTable } from './operations.js'
import type { GatewayParts } from './parts.js'
import { cutAsked } from './read-subset.js'

const TYPE_INTERACTIONS: readonly TypeInteraction[] = [
  'read',
  'vread',
  'update',
  'patch',
  'delete',
  'history-instance',
  'history-type',
  'create',
  'search-type',
]
const SYSTEM_INTERACTIONS = ['history-system', 'search-system'] as const
/** Operations that the base specification defines, by the last segment of their canonical. */
const OF_R4: ReadonlySet<string> = new Set([
  'CodeSystem-lookup',
  'CodeSystem-subsumes',
  'CodeSystem-validate-code',
  'Composition-document',
  'Observation-lastn',
  'Patient-everything',
  'Resource-graphql',
  'Resource-meta',
  'Resource-meta-add',
  'Resource-meta-delete',
  'Resource-validate',
  'ValueSet-expand',
  'ValueSet-validate-code',
])
/** When this set of capabilities began to be served. */
const DATE = '2026-11-20'

/** capabilities, https://hl7.org/fhir/R4/http.html#capabilities: says what the tables of this folder serve, nothing else. */
export function capabilities(
  parts: GatewayParts,
  served: () => FhirInteractions,
  operations: OperationTable,
): (request: OpenRequest) => Promise<InteractionResponse> {
  let made: { statement: Uint8Array; revision: number; cut: Map<string, Uint8Array> } | undefined
  return async ({ params }) => {
    // parameters of packages are served when the records from before are indexed by them
    const revision = parametersRevision()
    if (made?.revision !== revision) {
      made = { statement: Buffer.from(stringify(statementOf(parts, served(), operations))), revision, cut: new Map() }
    }
    return { status: 200, headers: {}, body: cutOf(made, params) }
  }
}

/** Who asks needs no token, so what is often asked for is cut once. */
const MOST_CUT = 20

/** @throws ConsentryError `malformed` */
function cutOf(
  { statement, cut }: { readonly statement: Uint8Array; readonly cut: Map<string, Uint8Array> },
  params: OpenRequest['params'],
): Uint8Array {
  const key = JSON.stringify(params.filter(([name]) => name === '_summary' || name === '_elements'))
  const known = cut.get(key) ?? cutAsked({ type: 'CapabilityStatement', params })(statement)
  if (cut.size >= MOST_CUT) cut.clear()
  cut.set(key, known)
  return known
}

function statementOf(parts: GatewayParts, served: FhirInteractions, operations: OperationTable) {
  const all = TYPE_INTERACTIONS.filter((interaction) => served[interaction] !== undefined)
  return capabilityStatement(
    {
      interactions: (type) => interactionsFor(type, all),
      system: [
        ...(served.transaction ? (['transaction', 'batch'] as const) : []),
        ...SYSTEM_INTERACTIONS.filter((interaction) => served[interaction] !== undefined),
      ],
      compartments: served['search-compartment'] === undefined ? [] : compartmentTypes(),
      operations: Object.keys(operations)
        .map((place) => {
          const [type, name = ''] = /^(?:([A-Za-z*]+)\/(?:\[id\]\/)?)?\$(.+)$/.exec(place)?.slice(1) ?? []
          const definition = definitionUrl(type, name)
          const changes = changesSomething(type, name)
          return { name, definition, changes, ...(type === undefined ? {} : { type }) }
        })
        .filter(
          (operation, i, list) =>
            list.findIndex(({ name, type }) => name === operation.name && type === operation.type) === i,
        ),
      profiles: (type) => parts.conformance.profiles.loadedOf(type),
      conditional: { create: true, update: true, delete: 'multiple', read: true },
      patchFormats: ['application/json-patch+json', 'application/fhir+json', 'application/fhir+xml'],
      updateCreate: true,
    },
    {
      baseUrl: parts.baseUrl,
      version: parts.version,
      date: DATE,
      security: { tokenUrl: parts.tokenUrl, cors: true },
    },
  )
}

/** @throws Error for an operation of ours that fhir-profiles/ does not define */
function definitionUrl(type: string | undefined, name: string): string {
  const ofR4 = `${type === undefined || type === '*' ? 'Resource' : type}-${name}`
  if (OF_R4.has(ofR4)) return `http://hl7.org/fhir/OperationDefinition/${ofR4}`
  const url = operationDefinition(type, name)?.['url']
  if (typeof url === 'string') return url
  throw new Error(`The operation $${name} of ${type ?? 'the system'} has no OperationDefinition.`)
}

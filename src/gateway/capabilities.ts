import { capabilityStatement, interactionsFor, type TypeInteraction } from '../fhir/capability-statement.js'
import { stringify } from '../fhir/json.js'
import type { FhirInteractions, InteractionResponse, OpenRequest } from './interaction.js'
import type { OperationTable } from './operations.js'
import type { GatewayParts } from './parts.js'

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
const OPERATIONS = 'https://consentry.health/fhir/OperationDefinition'
/** Operations that the base specification defines. */
const OF_R4: Readonly<Record<string, string>> = {
  graphql: 'http://hl7.org/fhir/OperationDefinition/Resource-graphql',
}
/** When this set of capabilities began to be served. */
const DATE = '2026-11-20'

/** capabilities, https://hl7.org/fhir/R4/http.html#capabilities: says what the tables of this folder serve, nothing else. */
export function capabilities(
  parts: GatewayParts,
  served: () => FhirInteractions,
  operations: OperationTable,
): (request: OpenRequest) => Promise<InteractionResponse> {
  let statement: Uint8Array | undefined
  return async () => {
    statement ??= Buffer.from(stringify(statementOf(parts, served(), operations)))
    return { status: 200, headers: {}, body: statement }
  }
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
      operations: Object.keys(operations)
        .map((place) => {
          const [type, name = ''] = /^(?:([A-Za-z*]+)\/(?:\[id\]\/)?)?\$(.+)$/.exec(place)?.slice(1) ?? []
          const definition = OF_R4[name] ?? `${OPERATIONS}/${type}-${name}`
          return type === undefined || type === '*' ? { name, definition } : { name, definition, type }
        })
        .filter(({ name }, i, list) => list.findIndex((other) => other.name === name) === i),
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

import { isResourceType, structures } from './definitions/structures.js'
import { servedCodes } from './search-query.js'
import { searchParametersOf } from './search/table.js'
import type { Resource } from './types.js'

/** Codes of https://hl7.org/fhir/R4/valueset-type-restful-interaction.html. */
export type TypeInteraction =
  'read' | 'vread' | 'update' | 'patch' | 'delete' | 'history-instance' | 'history-type' | 'create' | 'search-type'

/** Codes of https://hl7.org/fhir/R4/valueset-system-restful-interaction.html. */
export type SystemInteraction = 'transaction' | 'batch' | 'search-system' | 'history-system'

export interface ServedOperation {
  /** Without `$`. */
  readonly name: string
  /** Canonical URL of the OperationDefinition. */
  readonly definition: string
  /** The type it is served for; absent: all of them, and the system. */
  readonly type?: string
  /** It writes, so it is not served for what nobody may write. */
  readonly changes?: boolean
}

/**
 * What the code serves, in one table; the statement says this and nothing else. The gateway makes it from the
 * interactions that it has.
 */
export interface Served {
  /** For a type that has instances here; an empty list leaves it out. */
  readonly interactions: (type: string) => readonly TypeInteraction[]
  readonly system: readonly SystemInteraction[]
  /** Types whose compartments can be searched. */
  readonly compartments?: readonly string[]
  readonly operations?: readonly ServedOperation[]
  /** Canonicals of the profiles that a resource of the type is held to if it claims them. */
  readonly profiles?: (type: string) => readonly string[]
  readonly conditional?: {
    readonly create?: boolean
    readonly update?: boolean
    readonly delete?: 'single' | 'multiple'
    /** If-None-Match and If-Modified-Since on read. */
    readonly read?: boolean
  }
  /** PUT to an id that does not exist creates it. */
  readonly updateCreate?: boolean
  /** An update must carry If-Match. */
  readonly ifMatchRequired?: boolean
  /** MIME types. */
  readonly formats?: readonly string[]
  readonly patchFormats?: readonly string[]
}

export interface ServerDescription {
  /** FHIR base as clients see it, without slash at its end. */
  readonly baseUrl: string
  /** Of the software. */
  readonly version: string
  /** Instant at which this set of capabilities began to be served. */
  readonly date: string
  readonly security: {
    readonly tokenUrl: string
    readonly authorizeUrl?: string
    readonly cors: boolean
  }
}

const TITLE = 'Consentry FHIR R4 gateway'

/** "There is no RESTful end-point associated with" Parameters (https://hl7.org/fhir/R4/parameters.html). */
const WITHOUT_ADDRESS: ReadonlySet<string> = new Set(['Parameters'])

export const hasAddress = (type: string): boolean => !WITHOUT_ADDRESS.has(type)

/** The CapabilityStatement of this server, https://hl7.org/fhir/R4/capabilitystatement.html, kind `instance`. */
export function capabilityStatement(served: Served, server: ServerDescription): Resource {
  const types = structures().resources.filter((type) => hasAddress(type) && served.interactions(type).length > 0)
  const reverse = reverseIncludes()
  const systemOperations = (served.operations ?? []).filter(({ type }) => type === undefined)
  return {
    resourceType: 'CapabilityStatement',
    text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${TITLE}</div>` },
    url: `${server.baseUrl}/metadata`,
    version: server.version,
    name: 'Consentry',
    title: TITLE,
    status: 'active',
    date: server.date,
    kind: 'instance',
    description:
      'Patients decide on a ledger who may read or write what; every answer holds only what the asking party may see, totals included.',
    software: { name: 'Consentry', version: server.version },
    implementation: { description: TITLE, url: server.baseUrl },
    fhirVersion: '4.0.1',
    format: [...(served.formats ?? ['application/fhir+json', 'json', 'application/fhir+xml', 'xml'])],
    ...(served.patchFormats && served.patchFormats.length > 0 ? { patchFormat: [...served.patchFormats] } : {}),
    rest: [
      {
        mode: 'server',
        documentation:
          'Unknown search parameters are errors unless the request says Prefer: handling=lenient; what was left out is then told in the answer. Prefer: respond-async is ignored: every request is answered at once.',
        security: security(server),
        resource: types.map((type) => resourceOf(type, served, reverse.get(type) ?? [])),
        ...listOf('interaction', served.system.map(codeOf)),
        ...listOf('searchParam', served.system.includes('search-system') ? commonSearchParams() : []),
        ...listOf('operation', systemOperations.map(operationOf)),
        ...listOf('compartment', (served.compartments ?? []).map(compartmentUrl)),
      },
    ],
  }
}

function resourceOf(type: string, served: Served, reverse: readonly string[]): Record<string, unknown> {
  const interactions = served.interactions(type)
  const has = (interaction: TypeInteraction): boolean => interactions.includes(interaction)
  const { create = false, update = false, delete: remove, read = false } = served.conditional ?? {}
  const operations = (served.operations ?? []).filter(
    (operation) =>
      (operation.type === type || operation.type === '*') && !(operation.changes === true && APPEND_ONLY.has(type)),
  )
  return {
    type,
    profile: `http://hl7.org/fhir/StructureDefinition/${type}`,
    ...listOf('supportedProfile', served.profiles?.(type) ?? []),
    interaction: interactions.map(codeOf),
    versioning: served.ifMatchRequired === true ? 'versioned-update' : 'versioned',
    readHistory: has('vread'),
    updateCreate: has('update') && (served.updateCreate ?? false),
    conditionalCreate: has('create') && create,
    conditionalRead: read ? 'full-support' : 'not-supported',
    conditionalUpdate: has('update') && update,
    conditionalDelete: (has('delete') ? remove : undefined) ?? 'not-supported',
    referencePolicy: ['literal', 'logical', 'local'],
    ...listOf('searchInclude', has('search-type') ? includes(type) : []),
    ...listOf('searchRevInclude', has('search-type') ? ['*', ...reverse, ...FROM_ANYWHERE] : []),
    ...listOf('searchParam', has('search-type') ? searchParams(type) : []),
    ...listOf('operation', operations.map(operationOf)),
  }
}

function searchParams(type: string): { name: string; definition: string; type: string }[] {
  return servedCodes(type).flatMap((code) => {
    const parameter = searchParametersOf(type).get(code)
    return parameter ? [{ name: code, definition: parameter.url, type: parameter.kind }] : []
  })
}

function includes(type: string): string[] {
  return ['*', ...references(type).map(({ code }) => `${type}:${code}`)]
}

/** Of what may refer to anything this is named as well, since US Core's clients look for it. */
const FROM_ANYWHERE: readonly string[] = ['Provenance:target']

/** By the type that is referred to; what may refer to anything is in `*`. */
function reverseIncludes(): ReadonlyMap<string, readonly string[]> {
  const byTarget = Map.groupBy(structures().resources.flatMap(named), ([target]) => target)
  return new Map(Array.from(byTarget, ([target, each]) => [target, each.map(([, include]) => include)]))
}

function named(source: string): (readonly [target: string, include: string])[] {
  return references(source)
    .filter(({ targets }) => targets.length < structures().resources.length)
    .flatMap(({ code, targets }) => targets.map((target) => [target, `${source}:${code}`] as const))
}

function references(type: string) {
  return servedCodes(type).flatMap((code) => {
    const parameter = searchParametersOf(type).get(code)
    return parameter?.kind === 'reference' ? [parameter] : []
  })
}

/** Of all types: Binary has no others. */
function commonSearchParams(): ReturnType<typeof searchParams> {
  return searchParams('Binary').filter(({ name }) => name.startsWith('_'))
}

/** `http://hl7.org/fhir/CompartmentDefinition/relatedPerson`: R4 writes the first letter small. */
const compartmentUrl = (type: string): string =>
  `http://hl7.org/fhir/CompartmentDefinition/${type.charAt(0).toLowerCase()}${type.slice(1)}`

const codeOf = (code: string): { code: string } => ({ code })

const operationOf = ({ name, definition }: ServedOperation): { name: string; definition: string } => ({
  name,
  definition,
})

/** FHIR has no empty lists. */
function listOf(name: string, values: readonly unknown[]): Record<string, unknown> {
  return values.length === 0 ? {} : { [name]: values }
}

/** http://hl7.org/fhir/smart-app-launch/conformance.html: clients that do not read the well-known document look here. */
function security({ security: { tokenUrl, authorizeUrl, cors } }: ServerDescription): Record<string, unknown> {
  const uris = [
    { url: 'token', valueUri: tokenUrl },
    ...(authorizeUrl === undefined ? [] : [{ url: 'authorize', valueUri: authorizeUrl }]),
  ]
  return {
    extension: [{ url: 'http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris', extension: uris }],
    cors,
    service: [
      {
        coding: [
          {
            system: 'http://terminology.hl7.org/CodeSystem/restful-security-service',
            code: 'SMART-on-FHIR',
            display: 'SMART-on-FHIR',
          },
        ],
        text: 'OAuth2 with SMART Backend Services scopes; see .well-known/smart-configuration.',
      },
    ],
  }
}

/** Records that the server alone writes and nobody changes. */
const APPEND_ONLY: ReadonlySet<string> = new Set(['AuditEvent'])
const READING: readonly TypeInteraction[] = ['read', 'vread', 'history-instance', 'history-type', 'search-type']

/** The interactions of a type where `all` are served at all: audit records can be read and searched, not written. */
export function interactionsFor(type: string, all: readonly TypeInteraction[]): readonly TypeInteraction[] {
  if (!isResourceType(type)) return []
  return APPEND_ONLY.has(type) ? all.filter((interaction) => READING.includes(interaction)) : all
}

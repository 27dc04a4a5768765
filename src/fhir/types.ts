import type { Meta } from 'fhir/r4.js'

/**
 * The data types that several folders build or read, as `@types/fhir` states them for R4. Numbers in parsed
 * resources are `JsonNumber` (see json.ts) where these types say `number`: read them with `numberValue`.
 */
export type {
  CodeableConcept,
  Coding,
  Extension,
  Identifier,
  Meta,
  Narrative,
  Period,
  Quantity,
  Reference,
} from 'fhir/r4.js'

/** Any R4 resource as JSON, https://hl7.org/fhir/R4/json.html. Elements beyond these three are read by name. */
export interface Resource {
  resourceType: string
  id?: string
  meta?: Meta
  [element: string]: unknown
}

declare const valid: unique symbol

/**
 * A resource that the validator accepted: structure, types, formats and required bindings are those of R4.
 * Only `validate` makes one. Whoever changes it afterwards has a `Resource` again and validates anew.
 */
export type ValidResource = Resource & { readonly [valid]: true }

/** A Bundle whose entries were not looked at yet. */
export interface Bundle extends Resource {
  resourceType: 'Bundle'
  type?: string
  entry?: BundleEntry[]
}

export interface BundleEntry {
  fullUrl?: string
  resource?: Resource
  request?: {
    method?: string
    url?: string
    ifMatch?: string
    ifNoneMatch?: string
    ifNoneExist?: string
    ifModifiedSince?: string
  }
  response?: { status?: string; location?: string; etag?: string; lastModified?: string; outcome?: Resource }
  search?: { mode?: string; score?: unknown }
  [element: string]: unknown
}

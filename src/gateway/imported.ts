import { parseJson, stringify, type JsonObject } from '../fhir/json.js'

/** An imported record tells where it is from, https://hl7.org/fhir/R4/resource.html#Meta (`meta.source`). */
export function withSource(body: Uint8Array, source: string): Uint8Array {
  const resource = parseJson(body) as JsonObject
  const meta = (resource['meta'] ?? {}) as JsonObject
  return Buffer.from(stringify({ ...resource, meta: { ...meta, source } }))
}

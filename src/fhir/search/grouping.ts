import type { ValidResource } from '../types.js'
import type { GroupIndexValue } from './index-value.js'

/** The CodeableConcept of each type by which matches of it can be grouped. */
const GROUPED_BY: Readonly<Record<string, string>> = { Observation: 'code' }

export function groupedBy(type: string): string | undefined {
  return GROUPED_BY[type]
}

/**
 * What groups a resource with others, as `Observation/$lastn` has it (https://hl7.org/fhir/R4/observation-operation-lastn.html): codes are
 * equivalent if code and system are the same, the codings of one concept are translations of each other, and "text only codes SHALL be treated
 * and grouped based on the text".
 */
export function groupValue(resource: ValidResource): GroupIndexValue | undefined {
  const param = GROUPED_BY[resource.resourceType]
  const concept = param === undefined ? undefined : (resource as Readonly<Record<string, unknown>>)[param]
  if (param === undefined || typeof concept !== 'object' || concept === null) return undefined
  const { coding, text } = concept as { coding?: unknown; text?: unknown }
  const codes = (Array.isArray(coding) ? coding : []).flatMap((each: { system?: unknown; code?: unknown } | null) =>
    typeof each?.code === 'string' ? [JSON.stringify([each.system ?? null, each.code])] : [],
  )
  const members = codes.length > 0 || typeof text !== 'string' ? codes : [JSON.stringify([text])]
  return members.length === 0 ? undefined : { param, kind: 'group', members: [...new Set(members)] }
}

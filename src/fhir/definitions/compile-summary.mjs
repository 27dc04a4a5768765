/**
 * Which elements of resources `_summary=true` shows (isSummary of the StructureDefinitions,
 * https://hl7.org/fhir/R4/search.html#summary), and which are mandatory: per resource type and per path inside it, such as
 * `Patient.contact`. Data types stand whole.
 */
export function compileSummary(source, resources) {
  const table = {}
  for (const type of resources) {
    for (const element of source.read(`StructureDefinition-${type}`).snapshot.element) {
      const parts = element.path.split('.')
      if (parts.length < 2) continue
      const row = (table[parts.slice(0, -1).join('.')] ??= { summary: [], mandatory: [] })
      const name = parts.at(-1)
      if (element.isSummary === true) row.summary.push(name)
      if (element.min > 0) row.mandatory.push(name)
    }
  }
  return table
}

/**
 * The `hl7-b2b` authorization extension object of a client assertion,
 * https://hl7.org/fhir/us/udap-security/b2b.html#b2b-authorization-extension-object
 * It says for whom and why the client asks. The client vouches for it; we carry it into the token and the audit trail.
 */
export interface BusinessClaim {
  /** v3-PurposeOfUse codes. */
  readonly purposes: readonly string[]
  readonly organizationId?: string
  readonly organizationName?: string
  readonly subjectId?: string
  readonly subjectName?: string
  readonly subjectRole?: string
}

/** `urn:oid:2.16.840.1.113883.5.8#TREAT` (v3-ActReason, of which PurposeOfUse is a part), its URL form, or the code alone. */
const PURPOSE =
  /^(?:(?:urn:oid:2\.16\.840\.1\.113883\.(?:5\.8|1\.11\.20448)|https?:\/\/terminology\.hl7\.org\/(?:CodeSystem\/v3-ActReason|ValueSet\/v3-PurposeOfUse))#)?([A-Z]{2,24})$/

/** Undefined: no such extension. A string: what is wrong with it. */
export function readBusinessClaim(assertion: Readonly<Record<string, unknown>>): BusinessClaim | string | undefined {
  const extensions = assertion['extensions']
  if (extensions === undefined) return undefined
  if (!isObject(extensions)) return 'extensions must be a JSON object'
  const claim = extensions['hl7-b2b']
  if (claim === undefined) return undefined
  if (!isObject(claim)) return 'extensions.hl7-b2b must be a JSON object'
  if (claim['version'] !== '1') return 'extensions.hl7-b2b.version must be "1"'
  const stated = claim['purpose_of_use'] ?? []
  if (!Array.isArray(stated) || stated.length > 16) return 'extensions.hl7-b2b.purpose_of_use must be a list of codes'
  const purposes: string[] = []
  for (const entry of stated as unknown[]) {
    const code = typeof entry === 'string' ? PURPOSE.exec(entry)?.[1] : undefined
    if (code === undefined)
      return 'extensions.hl7-b2b.purpose_of_use must hold codes like urn:oid:2.16.840.1.113883.5.8#TREAT'
    if (!purposes.includes(code)) purposes.push(code)
  }
  const texts: Partial<Record<keyof BusinessClaim, string>> = {}
  for (const [member, field] of TEXTS) {
    const value = claim[member]
    if (value === undefined) continue
    if (typeof value !== 'string' || value.length > 256) return `extensions.hl7-b2b.${member} must be a short string`
    texts[field] = value
  }
  return { purposes, ...(texts as Omit<BusinessClaim, 'purposes'>) }
}

const TEXTS = [
  ['organization_id', 'organizationId'],
  ['organization_name', 'organizationName'],
  ['subject_id', 'subjectId'],
  ['subject_name', 'subjectName'],
  ['subject_role', 'subjectRole'],
] as const

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

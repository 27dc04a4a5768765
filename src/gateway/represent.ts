import { ConsentryError } from '../errors.js'
import type { InteractionRequest, InteractionResponse } from './interaction.js'
import type { Written } from './write.js'

/** https://hl7.org/fhir/R4/http.html#versioning */
export function etag(version: number): string {
  return `W/"${version}"`
}

export function lastModified(lastUpdated: number): string {
  return new Date(lastUpdated).toUTCString()
}

/** Version named by `If-Match: W/"3"`; the strong form is accepted too. */
export function ifMatchVersion(request: InteractionRequest): number | undefined {
  return versionOfEtag(request.headers['if-match'], 'If-Match')
}

export function versionOfEtag(value: string | undefined, place: string): number | undefined {
  if (value === undefined) return undefined
  const version = /^(?:W\/)?"([1-9]\d{0,8})"$/.exec(value.trim())?.[1]
  if (version === undefined) {
    throw new ConsentryError('malformed', `${place} must name one version, as in W/"3".`, { expression: [place] })
  }
  return Number(version)
}

/** `Prefer: return=…`, https://hl7.org/fhir/R4/http.html#ops; representation unless the client says otherwise. */
export function preferredReturn({
  headers,
}: Pick<InteractionRequest, 'headers'>): 'minimal' | 'representation' | 'OperationOutcome' {
  const wanted = /(?:^|[;,\s])return=(minimal|representation|OperationOutcome)\b/.exec(headers.prefer ?? '')?.[1]
  return (wanted as ReturnType<typeof preferredReturn> | undefined) ?? 'representation'
}

export function handlingOf(request: InteractionRequest): 'strict' | 'lenient' {
  return /(?:^|[;,\s])handling=lenient\b/.test(request.headers.prefer ?? '') ? 'lenient' : 'strict'
}

/** The answer to create and update. */
export function writtenResponse(request: InteractionRequest, written: Written): InteractionResponse {
  const { type, id, version, lastUpdated, outcome, body } = written
  const headers: Record<string, string> = { etag: etag(version), 'last-modified': lastModified(lastUpdated) }
  headers['location'] = `${request.baseUrl}/${type}/${id}/_history/${version}`
  const done = { status: outcome === 'created' ? 201 : 200, headers, lastUpdated }
  switch (preferredReturn(request)) {
    case 'minimal':
      return done
    case 'OperationOutcome':
      return { ...done, body: outcomeOf(outcome) }
    case 'representation':
      return body === undefined ? done : { ...done, body }
  }
}

/** The answer to a delete, whether there was something or not. */
export function deletedResponse({ version }: Pick<Written, 'version'>): InteractionResponse {
  return { status: 204, headers: version > 0 ? { etag: etag(version) } : {} }
}

/** "200 OK if the response contains a payload" (https://hl7.org/fhir/R4/http.html#delete): of several it says how many. */
export function deletedTogether(count: number): InteractionResponse {
  const issue = { severity: 'information', code: 'informational', diagnostics: `${count} resources were deleted.` }
  return { status: 200, headers: {}, body: { resourceType: 'OperationOutcome', issue: [issue] } }
}

/** What became of a conditional create that met a resource. */
export const FOUND = 'found, and nothing created'

export function outcomeOf(outcome: Written['outcome'] | typeof FOUND): object {
  return {
    resourceType: 'OperationOutcome',
    issue: [{ severity: 'information', code: 'informational', diagnostics: `The resource was ${outcome}.` }],
  }
}

import { allows, requireScope, requireWriteScope } from '../auth/allows.js'
import { ConsentryError, type Issue } from '../errors.js'
import { parseJson } from '../fhir/json.js'
import { operationOutcome } from '../fhir/operation-outcome.js'
import type { Resource } from '../fhir/types.js'
import type { StoredVersion } from '../records/types.js'
import type { AuditedHandler } from './audited.js'
import { disclose, recordAccess, trace } from './disclose.js'
import { refuseServerWritten } from './input.js'
import type { InteractionRequest } from './interaction.js'
import { missing, withoutExistence } from './missing.js'
import type { OperationTable } from './operations.js'
import type { GatewayParts } from './parts.js'
import { released } from './release.js'
import { requireInsideScope } from './scope-filter.js'
import type { Trail } from './trail.js'

/**
 * `[type]/$validate` and `[type]/[id]/$validate`, https://hl7.org/fhir/R4/resource-operation-validate.html: an
 * OperationOutcome with status 200 of all that a create or update would refuse, and of what it would only warn of. Nothing
 * is written and no patient's consent is asked, but for a resource that is stored here: without one in the request the
 * stored one is read, under the rules of read, and judged; mode `delete` asks whether it may be deleted.
 */
export function validateOperations(parts: GatewayParts): OperationTable {
  const run = released(parts, validate(parts))
  return { '*/$validate': run, '*/[id]/$validate': run }
}

const MODES = ['create', 'update', 'delete', 'profile'] as const
type Mode = (typeof MODES)[number]

interface Input {
  /** Any JSON: to be judged is what it is for. */
  readonly resource: unknown
  readonly mode: Mode | undefined
  readonly profiles: readonly string[]
}

function validate(parts: GatewayParts): AuditedHandler {
  return async (request, trail) => {
    const type = request.type as string
    const input = inputOf(request)
    requireScopes(request, type, input.mode)
    if (input.mode === 'delete') await requireDeletable(parts, request, trail)
    const value = input.resource ?? (input.mode === 'delete' ? undefined : await stored(parts, request, trail))
    const issues = value === undefined ? [] : await judge(parts, request, value, input)
    await recordAccess(parts, request, trail, { interaction: '$validate' })
    return { status: 200, headers: {}, body: operationOutcome([...issues, ...allGood(issues)]) }
  }
}

/** Whoever may read or create resources of a type may know what makes one valid; a mode is asked for as its interaction. */
function requireScopes({ principal, id }: InteractionRequest, type: string, mode: Mode | undefined): void {
  if ((mode === 'update' || mode === 'delete') && id === undefined) {
    throw new ConsentryError('malformed', `The mode ${mode} is for one resource: [type]/[id]/$validate.`, {
      code: 'value',
      expression: ['mode'],
    })
  }
  if (mode === 'update' || mode === 'delete' || mode === 'create') requireWriteScope(principal, type, mode)
  else if (!allows(principal, type, 'create').allowed) requireScope(principal, type, 'read')
}

async function judge(
  parts: GatewayParts,
  request: InteractionRequest,
  value: unknown,
  { profiles, mode }: Input,
): Promise<Issue[]> {
  const type = request.type as string
  const { resourceType, id } = (value ?? {}) as Partial<Resource>
  const known = profiles.filter((url) => parts.conformance.profiles.has(url))
  const issues = await parts.conformance.validate(value, known)
  if (typeof resourceType === 'string' && resourceType !== type) {
    issues.push(errorAt('structure', `the URL is of ${type}, so the resource must be a ${type}.`, 'resourceType'))
  }
  if (mode === 'update' && id !== request.id) {
    issues.push(errorAt('value', `the id of the resource must be the id of the URL, '${request.id}'.`, `${type}.id`))
  }
  if (mode === 'create' || mode === 'update') issues.push(...writtenByServer(type, value))
  for (const url of profiles.filter((one) => !known.includes(one))) {
    issues.push(errorAt('not-found', `the profile ${url} is not loaded here, so nothing was checked by it.`, 'profile'))
  }
  return issues
}

function writtenByServer(type: string, value: unknown): Issue[] {
  try {
    refuseServerWritten(type, type, value as Resource)
    return []
  } catch (error) {
    if (error instanceof ConsentryError) return [...error.issues]
    throw error
  }
}

/** The stored resource, as a read of it would give it. */
async function stored(parts: GatewayParts, request: InteractionRequest, trail: Trail): Promise<unknown> {
  const { type, id } = request as { type: string; id?: string }
  if (id === undefined) {
    throw new ConsentryError(
      'malformed',
      'There is nothing to validate: the body must be the resource, or Parameters with a parameter named resource.',
      { code: 'required', expression: ['Parameters.parameter'] },
    )
  }
  const filters = requireScope(request.principal, type, 'read')
  const row = await present(parts, request, trail, type, id)
  const permit = await withoutExistence(parts, request, parts.access.permit(request.principal, 'read', [row]))
  await requireInsideScope(parts, request, row, filters)
  const [body] = await disclose(parts, request, trail, permit, [row], { interaction: '$validate' })
  return parseJson(body as Uint8Array)
}

/** @throws ConsentryError as a delete of the resource would */
async function requireDeletable(parts: GatewayParts, request: InteractionRequest, trail: Trail): Promise<void> {
  const { type, id } = request as { type: string; id: string }
  const row = await present(parts, request, trail, type, id)
  await withoutExistence(parts, request, parts.access.permit(request.principal, 'delete', [row]))
}

/** What is there, named in the trail; what is not, too. */
async function present(
  parts: GatewayParts,
  request: InteractionRequest,
  trail: Trail,
  type: string,
  id: string,
): Promise<StoredVersion> {
  const [row] = await parts.records.read([{ type, id }])
  if (row) await trace(parts, trail, [row])
  else trail.touches(`${type}/${id}`)
  if (!row || row.deleted) throw await missing(parts, request, `${type}/${id}`)
  return row
}

function inputOf({ body, params, type }: InteractionRequest): Input {
  const value = body === undefined || body.length === 0 ? undefined : (parseJson(body) as unknown)
  const parameters = isEnvelope(value, type) ? value.parameter : undefined
  const resource = parameters === undefined ? value : parameters.find(({ name }) => name === 'resource')?.resource
  const named = (name: string): string[] => [
    ...params.flatMap(([key, text]) => (key === name ? [text] : [])),
    ...(parameters ?? []).flatMap((one) => (one.name === name ? [textOf(one)] : [])),
  ]
  for (const name of [
    ...params.map(([key]) => key),
    ...(parameters ?? []).map(({ name }) => (typeof name === 'string' ? name : '')),
  ]) {
    if (['resource', 'mode', 'profile'].includes(name)) continue
    throw new ConsentryError('malformed', 'The parameters of $validate are resource, mode and profile.', {
      code: 'not-supported',
      expression: ['Parameters.parameter.name'],
    })
  }
  const [mode, ...others] = named('mode')
  if (others.length > 0 || (mode !== undefined && !isMode(mode))) {
    throw new ConsentryError('malformed', `mode is one of ${MODES.join(', ')}.`, {
      code: 'value',
      expression: ['mode'],
    })
  }
  return { resource, mode, profiles: named('profile').map(canonical) }
}

interface Parameter {
  readonly name?: unknown
  readonly resource?: unknown
}

/** Parameters around the resource; a Parameters resource without one of that name is to be judged itself. */
function isEnvelope(value: unknown, type: string | undefined): value is { readonly parameter: readonly Parameter[] } {
  const { resourceType, parameter } = (value ?? {}) as { resourceType?: unknown; parameter?: unknown }
  if (resourceType !== 'Parameters' || !Array.isArray(parameter)) return false
  const all = parameter.every((one) => typeof one === 'object' && one !== null)
  return all && (type !== 'Parameters' || parameter.some((one: Parameter) => one.name === 'resource'))
}

function textOf(parameter: object): string {
  const [, value] = Object.entries(parameter).find(([key]) => key.startsWith('value')) ?? []
  return typeof value === 'string' ? value : ''
}

const isMode = (text: string): text is Mode => (MODES as readonly string[]).includes(text)

function canonical(text: string): string {
  if (/^[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9:/.|_~%#-]{1,300}$/.test(text)) return text
  throw new ConsentryError('malformed', 'profile is a canonical URL, optionally with |version.', {
    code: 'value',
    expression: ['profile'],
  })
}

function errorAt(code: Issue['code'], diagnostics: string, expression: string): Issue {
  return { severity: 'error', code, diagnostics: `${expression}: ${diagnostics}`, expression: [expression] }
}

function allGood(issues: readonly Issue[]): Issue[] {
  if (issues.some(({ severity }) => severity === 'error')) return []
  return [{ severity: 'information', code: 'informational', diagnostics: 'No errors were found.' }]
}

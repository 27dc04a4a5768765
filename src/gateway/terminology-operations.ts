import { requireScope } from '../auth/allows.js'
import { ConsentryError } from '../errors.js'
import { parseJson } from '../fhir/json.js'
import { type CodeSystem, type Membership, Terminology, type ValueSet } from '../fhir/terminology.js'
import {
  CODE_SYSTEM_VALIDATE_PARAMETERS,
  type CodeVerdict,
  displayVerdict,
  inCodeSystem,
  lookup,
  LOOKUP_PARAMETERS,
  subsumes,
  SUBSUMES_PARAMETERS,
  VALUE_SET_VALIDATE_PARAMETERS,
  verdictParameters,
} from '../fhir/terminology/code-operations.js'
import { expand, EXPAND_PARAMETERS } from '../fhir/terminology/expansion.js'
import { type DisplayedCode, OperationInput, wrong } from '../fhir/terminology/operation-input.js'
import type { Resource } from '../fhir/types.js'
import { validOrThrow } from '../fhir/validate.js'
import type { AuditedHandler } from './audited.js'
import { recordAccess } from './disclose.js'
import type { InteractionRequest } from './interaction.js'
import type { OperationTable } from './operations.js'
import type { GatewayParts } from './parts.js'
import { released } from './release.js'
import { storedInstance, withStored } from './stored-terminology.js'

/** What an operation answers with, from its input and the code systems and value sets that it may need. */
type Answer = (input: OperationInput, ask: Asked) => Promise<Resource>

interface Asked {
  readonly parts: GatewayParts
  readonly request: InteractionRequest
  /** The instance in the URL. */
  readonly instance: Resource | undefined
}

/**
 * CodeSystem `$lookup`, `$validate-code`, `$subsumes` and ValueSet `$expand`, `$validate-code`
 * (https://hl7.org/fhir/R4/terminology-service.html) over R4's terminology, the packages, and what is stored here as far
 * as the caller may search it.
 */
export function terminologyOperations(parts: GatewayParts): OperationTable {
  const run = (allowed: readonly string[], answer: Answer): AuditedHandler =>
    released(parts, operation(parts, allowed, answer))
  const validateIn = run(CODE_SYSTEM_VALIDATE_PARAMETERS, validateInCodeSystem)
  const validateOf = run(VALUE_SET_VALIDATE_PARAMETERS, validateInValueSet)
  const subsumed = run(SUBSUMES_PARAMETERS, answerSubsumes)
  const expanded = run(EXPAND_PARAMETERS, answerExpand)
  return {
    'CodeSystem/$lookup': run(LOOKUP_PARAMETERS, answerLookup),
    'CodeSystem/$validate-code': validateIn,
    'CodeSystem/[id]/$validate-code': validateIn,
    'CodeSystem/$subsumes': subsumed,
    'CodeSystem/[id]/$subsumes': subsumed,
    'ValueSet/$expand': expanded,
    'ValueSet/[id]/$expand': expanded,
    'ValueSet/$validate-code': validateOf,
    'ValueSet/[id]/$validate-code': validateOf,
  }
}

function operation(parts: GatewayParts, allowed: readonly string[], answer: Answer): AuditedHandler {
  return async (request, trail) => {
    requireScope(request.principal, request.type as string, 'read')
    const input = new OperationInput(parametersIn(request), request.params, allowed)
    const instance = request.id === undefined ? undefined : await storedInstance(parts, request)
    const body = await answer(input, { parts, request, instance })
    await recordAccess(parts, request, trail, { interaction: `$${request.operation}` })
    return { status: 200, headers: {}, body }
  }
}

function parametersIn({ body }: InteractionRequest): Resource | undefined {
  if (body === undefined || body.length === 0) return undefined
  const resource = validOrThrow(parseJson(body))
  if (resource.resourceType === 'Parameters') return resource
  throw new ConsentryError('malformed', 'The body must be a Parameters resource.', { expression: ['resourceType'] })
}

const answerExpand: Answer = async (input, asked) =>
  expand(await valueSetOf(input, asked), input, new Date(asked.parts.clock()))

const answerLookup: Answer = async (input, asked) => {
  const [code] = input.codes(input.text('system'))
  if (code?.system === undefined) throw wrong('is required with a code.', 'system')
  return lookup(await codeSystemOf(withVersion(code.system, input.text('version')), asked), code.code, input)
}

const answerSubsumes: Answer = async (input, asked) => {
  const [a, b] = [input.coding('codingA'), input.coding('codingB')]
  const system = asked.instance?.['url'] ?? a?.system ?? input.text('system')
  if (typeof system !== 'string') throw wrong('is required.', 'system')
  if (b?.system !== undefined && b.system !== system) throw wrong('must be of the same code system.', 'codingB')
  const found = await codeSystemOf(withVersion(system, input.text('version')), asked)
  return subsumes(found, a?.code ?? input.required('codeA'), b?.code ?? input.required('codeB'))
}

const validateInCodeSystem: Answer = async (input, asked) => {
  const given = input.resource('codeSystem', 'CodeSystem') ?? asked.instance
  const codes = input.codes(undefined)
  const url = typeof given?.['url'] === 'string' ? given['url'] : (input.text('url') ?? codes[0]?.system)
  if (url === undefined) throw wrong('is required.', 'url')
  const system = await codeSystemOf(withVersion(url, input.text('version')), { ...asked, instance: given })
  const verdicts = codes.map((code): CodeVerdict =>
    code.system === undefined || code.system === system.url
      ? inCodeSystem(system, code)
      : { result: false, message: `The coding is not of ${system.url}.` },
  )
  return verdictParameters(verdicts)
}

const validateInValueSet: Answer = async (input, asked) => {
  const codes = input.codes(input.text('system'))
  if (
    codes.some(({ system }) => system === undefined) &&
    !input.flag('inferSystem') &&
    input.text('code') !== undefined
  )
    throw wrong('is required with a code.', 'system')
  const valueSet = await valueSetOf(input, asked)
  return verdictParameters(await Promise.all(codes.map((code) => verdictOn(code, valueSet, asked))))
}

async function verdictOn(code: DisplayedCode, valueSet: ValueSet, { parts }: Asked): Promise<CodeVerdict> {
  const answer = await decided(code, valueSet, parts)
  if (answer === 'in') {
    const system = code.system === undefined ? undefined : parts.conformance.terminology.codeSystem(code.system)
    return displayVerdict(system?.get(code.code), code.display)
  }
  const name = valueSet.url ?? 'the value set'
  if (answer === 'out') return { result: false, message: `The code is not in ${name}.` }
  throw new ConsentryError(
    'invalid',
    `Whether the code is in ${name} cannot be told here: its code system is not loaded.`,
    {
      code: 'not-supported',
    },
  )
}

async function decided(code: DisplayedCode, valueSet: ValueSet, { conformance }: GatewayParts): Promise<Membership> {
  const answer = valueSet.holds(code)
  return answer === 'unknown' && valueSet.url !== undefined ? conformance.askServer(valueSet.url, code) : answer
}

const withVersion = (url: string, version: string | undefined): string =>
  version === undefined || url.includes('|') ? url : `${url}|${version}`

/** A canonical, unless it is none: what is sent may be anything. */
function shown(canonical: string): string {
  return /^[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9:/.|_~%#-]{1,300}$/.test(canonical) ? canonical : '(which is no URL)'
}

async function codeSystemOf(canonical: string, { parts, request, instance }: Asked): Promise<CodeSystem> {
  const terminology =
    instance?.resourceType === 'CodeSystem'
      ? new Terminology([instance])
      : await withStored(parts, request, [{ type: 'CodeSystem', canonical }])
  const found = terminology.codeSystem(canonical)
  if (found !== undefined) return found
  throw new ConsentryError('not-found', `The code system ${shown(canonical)} is not known here.`, {
    expression: ['system'],
  })
}

async function valueSetOf(input: OperationInput, { parts, request, instance }: Asked): Promise<ValueSet> {
  const given = input.resource('valueSet', 'ValueSet') ?? instance
  if (given !== undefined) return (await withStored(parts, request, [], given)).valueSetOf(given)
  const url = input.text('url')
  if (url === undefined) throw wrong('one of url and valueSet is required.', 'url')
  const canonical = withVersion(url, input.text('valueSetVersion'))
  const found = (await withStored(parts, request, [{ type: 'ValueSet', canonical }])).valueSet(canonical)
  if (found !== undefined) return found
  throw new ConsentryError('not-found', `The value set ${shown(canonical)} is not known here.`, { expression: ['url'] })
}

import { ConsentryError } from '../../errors.js'
import type { Resource } from '../types.js'
import type { CodeSystem, Concept } from './code-system.js'
import { wrong, type DisplayedCode, type OperationInput } from './operation-input.js'

/** Names of parameters, as R4 defines them; those about languages and dates change nothing here. */
export const LOOKUP_PARAMETERS = ['code', 'system', 'version', 'coding', 'date', 'displayLanguage', 'property']
export const SUBSUMES_PARAMETERS = ['codeA', 'codeB', 'system', 'version', 'codingA', 'codingB']
export const CODE_SYSTEM_VALIDATE_PARAMETERS = [
  ...['url', 'codeSystem', 'code', 'version', 'display', 'coding', 'codeableConcept', 'date', 'abstract'],
  'displayLanguage',
]
export const VALUE_SET_VALIDATE_PARAMETERS = [
  ...['url', 'context', 'valueSet', 'valueSetVersion', 'code', 'system', 'systemVersion', 'display', 'coding'],
  ...['codeableConcept', 'date', 'abstract', 'displayLanguage', 'inferSystem'],
]

/** `$lookup`, https://hl7.org/fhir/R4/codesystem-operation-lookup.html. @throws ConsentryError `not-found` */
export function lookup(system: CodeSystem, code: string, input: OperationInput): Resource {
  const concept = known(system, code, 'code')
  const wanted = input.all('property')
  const wants = (name: string): boolean => wanted.length === 0 || wanted.includes(name)
  return parameters([
    { name: 'name', valueString: system.name ?? system.url },
    ...(system.version === undefined ? [] : [{ name: 'version', valueString: system.version }]),
    { name: 'display', valueString: concept.display ?? concept.code },
    ...(wants('designation') ? concept.designations.map(designation) : []),
    ...propertiesOf(concept).flatMap(({ code: name, ...value }) => (wants(name) ? [property(name, value)] : [])),
  ])
}

interface Stated {
  readonly code: string
  readonly [value: string]: unknown
}

function propertiesOf(concept: Concept): Stated[] {
  const { parents, children, inactive, definition } = concept
  return [
    ...(definition === undefined ? [] : [{ code: 'definition', valueString: definition }]),
    ...(inactive ? [{ code: 'inactive', valueBoolean: true }] : []),
    ...[...parents].map((code) => ({ code: 'parent', valueCode: code })),
    ...[...children].map((code) => ({ code: 'child', valueCode: code })),
    ...concept.properties.filter(({ code }) => !['parent', 'child', 'inactive'].includes(code)),
  ]
}

const property = (name: string, value: object): object => ({
  name: 'property',
  part: [
    { name: 'code', valueCode: name },
    ...Object.entries(value).map(([key, one]) => ({ name: 'value', [key]: one as unknown })),
  ],
})

function designation({ language, use, value }: Readonly<Record<string, unknown>>): object {
  return {
    name: 'designation',
    part: [
      ...(language === undefined ? [] : [{ name: 'language', valueCode: language }]),
      ...(use === undefined ? [] : [{ name: 'use', valueCoding: use }]),
      { name: 'value', valueString: value },
    ],
  }
}

/** `$subsumes`, https://hl7.org/fhir/R4/codesystem-operation-subsumes.html. @throws ConsentryError `not-found` */
export function subsumes(system: CodeSystem, a: string, b: string): Resource {
  known(system, a, 'codeA')
  known(system, b, 'codeB')
  return parameters([{ name: 'outcome', valueCode: system.subsumption(a, b) }])
}

function known(system: CodeSystem, code: string, parameter: string): Concept {
  const concept = system.get(code)
  if (concept !== undefined) return concept
  throw new ConsentryError('not-found', `${parameter}: there is no such code in ${system.url}${rest(system)}.`, {
    code: 'code-invalid',
    expression: [parameter],
  })
}

/** A fragment does not say what codes there are. */
const rest = ({ complete }: CodeSystem): string => (complete ? '' : ', of which only a part is loaded')

/** What `$validate-code` found of one code. */
export interface CodeVerdict {
  readonly result: boolean
  readonly message?: string
  readonly display?: string | undefined
}

/** Whether a code is in a code system, and its display the one that it has there. */
export function inCodeSystem(system: CodeSystem, { code, display }: DisplayedCode): CodeVerdict {
  const concept = system.get(code)
  if (concept === undefined) return { result: false, message: `There is no such code in ${system.url}${rest(system)}.` }
  return displayVerdict(concept, display)
}

/** The display of a code that is a member; without a code system at hand nothing is said of it. */
export function displayVerdict(concept: Concept | undefined, display: string | undefined): CodeVerdict {
  if (concept === undefined) return { result: true }
  const names = [concept.display, ...concept.designations.map(({ value }) => value)]
  const fits = display === undefined || names.some((name) => typeof name === 'string' && fold(name) === fold(display))
  if (fits) return { result: true, display: concept.display }
  return { result: false, message: 'The display is not one of this code.', display: concept.display }
}

const fold = (text: string): string => text.trim().toLowerCase().replace(/\s+/g, ' ')

/** Of several codings of one concept the first that is valid decides. */
export function verdictParameters(verdicts: readonly CodeVerdict[]): Resource {
  const chosen = verdicts.find(({ result }) => result) ?? verdicts[0]
  if (chosen === undefined) throw wrong('is required.', 'code')
  const { result, message, display } = chosen
  return parameters([
    { name: 'result', valueBoolean: result },
    ...(message === undefined ? [] : [{ name: 'message', valueString: message }]),
    ...(display === undefined ? [] : [{ name: 'display', valueString: display }]),
  ])
}

const parameters = (parameter: object[]): Resource => ({ resourceType: 'Parameters', parameter })

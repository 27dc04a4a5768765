import { ConsentryError } from '../../errors.js'
import type { Resource } from '../types.js'
import type { CodeOf } from './compose.js'

/** One parameter: `value[x]` as it stands in Parameters, or the text of a query. */
interface Given {
  readonly name: string
  readonly value: unknown
}

export interface DisplayedCode extends CodeOf {
  readonly display: string | undefined
}

/**
 * The input of an operation on terminology: Parameters of a body and parameters of a query are one, since R4 lets simple
 * ones stand in either (https://hl7.org/fhir/R4/operations.html#request).
 */
export class OperationInput {
  private readonly given: readonly Given[]

  /**
   * @param allowed names that the operation has; others are refused, as are those that are given twice
   * @throws ConsentryError `malformed`
   */
  constructor(
    parameters: Resource | undefined,
    query: readonly (readonly [name: string, value: string])[],
    allowed: readonly string[],
  ) {
    const listed = (parameters?.['parameter'] ?? []) as readonly Readonly<Record<string, unknown>>[]
    this.given = [
      ...query.map(([name, value]) => ({ name, value })),
      ...listed.map((parameter) => ({ name: String(parameter['name']), value: valueOf(parameter) })),
    ]
    const seen = new Set<string>()
    for (const { name } of this.given) {
      if (!allowed.includes(name)) throw wrong(`there is no such parameter; there are ${allowed.join(', ')}.`, name)
      if (seen.has(name) && !REPEATED.has(name)) throw wrong('may be given once.', name)
      seen.add(name)
    }
  }

  text(name: string): string | undefined {
    const value = this.find(name)
    if (value === undefined || (typeof value === 'string' && value !== '')) return value
    throw wrong('must be a text.', name)
  }

  /** @throws ConsentryError `malformed` if it is missing */
  required(name: string): string {
    const text = this.text(name)
    if (text === undefined) throw wrong('is required.', name)
    return text
  }

  flag(name: string): boolean {
    const value = this.find(name)
    if (value === undefined) return false
    if (value === true || value === 'true') return true
    if (value === false || value === 'false') return false
    throw wrong('must be true or false.', name)
  }

  number(name: string, fallback: number, most: number): number {
    const value = this.find(name)
    if (value === undefined) return fallback
    const text = typeof value === 'number' || typeof value === 'string' ? String(value) : ''
    if (/^\d{1,9}$/.test(text) && Number(text) <= most) return Number(text)
    throw wrong(`must be a whole number from 0 to ${most}.`, name)
  }

  resource(name: string, type: string): Resource | undefined {
    const value = this.find(name)
    if (value === undefined) return undefined
    if (isMap(value) && value['resourceType'] === type) return value as Resource
    throw wrong(`must be a ${type}.`, name)
  }

  all(name: string): string[] {
    return this.given.flatMap((one) => (one.name === name && typeof one.value === 'string' ? [one.value] : []))
  }

  /** `code` with its system, `coding`, or every coding of `codeableConcept`. @throws ConsentryError `malformed` */
  codes(system: string | undefined): DisplayedCode[] {
    const [code, coding, concept] = [this.text('code'), this.find('coding'), this.find('codeableConcept')]
    if ([code, coding, concept].filter((one) => one !== undefined).length !== 1) {
      throw wrong('one of code, coding and codeableConcept is required.', 'code')
    }
    if (code !== undefined) return [{ system, code, display: this.text('display') }]
    const codings = isMap(concept) ? concept['coding'] : [coding]
    const found = (Array.isArray(codings) ? codings : []).flatMap((one: unknown) => displayedCode(one, system))
    if (found.length === 0) throw wrong('must have a code.', coding === undefined ? 'codeableConcept' : 'coding')
    return found
  }

  coding(name: string): DisplayedCode | undefined {
    return displayedCode(this.find(name), undefined)[0]
  }

  private find(name: string): unknown {
    return this.given.find((one) => one.name === name)?.value
  }
}

const REPEATED: ReadonlySet<string> = new Set(['property', 'designation'])

function valueOf(parameter: Readonly<Record<string, unknown>>): unknown {
  const key = Object.keys(parameter).find((name) => name.startsWith('value'))
  return key === undefined ? parameter['resource'] : parameter[key]
}

function displayedCode(coding: unknown, fallback: string | undefined): DisplayedCode[] {
  if (!isMap(coding)) return []
  const { system = fallback, code, display } = coding
  if (typeof code !== 'string') return []
  return [
    {
      system: typeof system === 'string' ? system : undefined,
      code,
      display: typeof display === 'string' ? display : undefined,
    },
  ]
}

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export function wrong(what: string, parameter: string): ConsentryError {
  const shown = /^[A-Za-z-]{1,40}$/.test(parameter) ? parameter : 'a parameter'
  return new ConsentryError('malformed', `${shown}: ${what}`, { code: 'value', expression: [shown] })
}

import { ConsentryError, type Issue } from '../errors.js'
import { type JsonNumber, numberValue } from './json.js'
import type { Resource, ValidResource } from './types.js'

/** One parameter of https://hl7.org/fhir/R4/operationdefinition.html */
interface Defined {
  readonly name: string
  readonly use: 'in' | 'out'
  readonly min: JsonNumber
  readonly max: string
  readonly type?: string
}

interface Given {
  readonly name: string
  readonly [value: string]: unknown
}

/** The input of an operation, held to its definition. */
export class OperationInput {
  constructor(private readonly given: readonly Given[]) {}

  /** Values of a parameter of a type whose JSON is a string. */
  strings(name: string): string[] {
    return this.values(name).filter((value) => typeof value === 'string')
  }

  /** Literal references of a parameter of type Reference. */
  references(name: string): string[] {
    return this.values(name)
      .map((value) => (value as { reference?: unknown }).reference)
      .filter((reference) => typeof reference === 'string')
  }

  /** Values of a parameter of a complex type, as they were validated. */
  objects(name: string): Readonly<Record<string, unknown>>[] {
    return this.values(name).filter(
      (value): value is Record<string, unknown> => typeof value === 'object' && value !== null,
    )
  }

  booleans(name: string): boolean[] {
    return this.values(name).filter((value) => typeof value === 'boolean')
  }

  private values(name: string): unknown[] {
    return this.given.filter((parameter) => parameter.name === name).map((parameter) => valueOf(parameter))
  }
}

/**
 * Holds a Parameters resource (https://hl7.org/fhir/R4/parameters.html) to the input parameters of an OperationDefinition:
 * names, types and how often each may come.
 *
 * @param parameters `null`: the request had no body
 * @throws ConsentryError `malformed` with every parameter that does not fit
 */
export function operationInput(definition: Resource, parameters: ValidResource | null): OperationInput {
  const defined = ((definition['parameter'] ?? []) as Defined[]).filter(({ use }) => use === 'in')
  const given = (parameters?.['parameter'] ?? []) as Given[]
  const issues: Issue[] = []
  const wrong = (code: Issue['code'], name: string, diagnostics: string): void => {
    issues.push({ severity: 'error', code, diagnostics, expression: [`Parameters.parameter:${name}`] })
  }
  const code = String(definition['code'])
  const names = defined.map(({ name }) => name)
  given.forEach(({ name }, i) => {
    if (names.includes(name)) return
    const known = names.length === 0 ? 'no parameters' : names.join(', ')
    issues.push({
      severity: 'error',
      code: 'not-supported',
      diagnostics: `$${code} has no such parameter; it has ${known}.`,
      expression: [`Parameters.parameter[${i}].name`],
    })
  })
  for (const { name, min, max, type } of defined) {
    const found = given.filter((parameter) => parameter.name === name)
    if (found.length < numberValue(min)) wrong('required', name, `$${code} needs the parameter ${name}.`)
    if (max !== '*' && found.length > Number(max))
      wrong('structure', name, `$${code} takes ${name} ${max} time at most.`)
    if (type === undefined) continue
    const element = `value${type[0]?.toUpperCase()}${type.slice(1)}`
    if (found.some((parameter) => parameter[element] === undefined)) {
      wrong('structure', name, `The value of ${name} must be a ${element}.`)
    }
  }
  if (issues.length === 0) return new OperationInput(given)
  throw new ConsentryError('malformed', `The parameters of $${code} are not as its definition says.`, {
    issues: issues.slice(0, 20),
  })
}

function valueOf(parameter: Given): unknown {
  const element = Object.keys(parameter).find((key) => key.startsWith('value'))
  return element === undefined ? undefined : parameter[element]
}

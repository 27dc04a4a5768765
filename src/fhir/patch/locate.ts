import fhirpath, { type Model } from 'fhirpath'
import model from 'fhirpath/fhir-context/r4/index.js'
import { ConsentryError } from '../../errors.js'
import { ExactNumber, type JsonObject, type JsonValue, numberValue } from '../json.js'

// Its declaration admits undefined where the interface does not.
const R4 = model as Model

/** Property names and indexes from the resource to an element, choices by their name in JSON. */
export type Location = readonly (string | number)[]

const MAX_LENGTH = 1000
/**
 * Functions whose work grows with the expression and not beyond the resource: no recursion (`repeat`, `descendants`), no
 * regular expressions, nothing that leaves the resource (`resolve`, `memberOf`).
 */
const FUNCTIONS: ReadonlySet<string> = new Set(
  (
    'where first last tail skip take single ofType as is exists empty not count extension hasValue all any iif ' +
    'startsWith endsWith contains lower upper length toString toInteger toDecimal toBoolean hasExtension'
  ).split(' '),
)
const MAX_NODES = 500

/** The part of fhirpath.js's own nodes that says where a value stands. */
interface ResourceNode {
  readonly parentResNode: ResourceNode | null
  readonly propName: string | null
  readonly index: number | null | undefined
  readonly fhirNodeDataType: string | null
  readonly data: unknown
}

interface Ast {
  readonly type: string
  readonly text?: string
  readonly children?: readonly Ast[]
}

/**
 * Where the elements stand that a FHIRPath expression selects (https://hl7.org/fhir/R4/fhirpatch.html), in the order of the
 * expression. `expression` may use the functions above and must select elements of the resource, not computed values.
 *
 * @throws ConsentryError `malformed` for what is no such expression
 */
export function locate(resource: JsonObject, expression: string, at: string): Location[] {
  checked(expression, at)
  const found: Location[] = []
  const located = (nodes: readonly ResourceNode[]): [] => {
    found.push(...nodes.map(locationOf))
    return []
  }
  try {
    // The line feed ends a comment that would take the closing bracket with it.
    fhirpath.evaluate(plain(resource), `(${expression}\n).located()`, {}, R4, {
      userInvocationTable: { located: { fn: located, arity: { 0: [] }, internalStructures: true, nullable: true } },
    })
  } catch (cause) {
    throw fault('The expression cannot be evaluated on this resource; it must select elements of it.', at, cause)
  }
  return found
}

function checked(expression: string, at: string): void {
  if (expression.length > MAX_LENGTH) throw fault(`An expression has at most ${MAX_LENGTH} characters here.`, at)
  let nodes = 0
  const visit = ({ type, text = '', children = [] }: Ast): void => {
    if (++nodes > MAX_NODES) throw fault('The expression is too long.', at)
    if (type === 'Functn' && !FUNCTIONS.has(text)) {
      throw fault(`The path of a patch may use the functions ${[...FUNCTIONS].join(', ')}.`, at)
    }
    if (type === 'ExternalConstant') throw fault('The path of a patch has no variables.', at)
    children.forEach(visit)
  }
  let ast: Ast
  try {
    ast = fhirpath.parse(expression) as Ast
  } catch (cause) {
    throw fault('The path is not FHIRPath.', at, cause)
  }
  visit(ast)
}

function locationOf(node: ResourceNode): Location {
  // What an expression computes comes as a plain value.
  if (typeof node !== 'object' || !('parentResNode' in node)) throw new TypeError('A computed value stands nowhere.')
  const location: (string | number)[] = []
  for (let at: ResourceNode = node; at.parentResNode; at = at.parentResNode) {
    const { parentResNode: parent, propName, index, fhirNodeDataType: type } = at
    if (propName === null) throw new TypeError('A computed value stands nowhere.')
    if (typeof index === 'number') location.unshift(index)
    location.unshift(nameInJson(parent.data, propName, type))
  }
  return location
}

/** A choice is `value` to FHIRPath and `valueString` in JSON. */
function nameInJson(parent: unknown, name: string, type: string | null): string {
  if (typeof parent !== 'object' || parent === null || name in parent || `_${name}` in parent || type === null)
    return name
  return name + type.charAt(0).toUpperCase() + type.slice(1)
}

/** The library knows JavaScript's numbers only; places do not depend on digits. */
function plain(value: JsonValue): unknown {
  if (value instanceof ExactNumber) return numberValue(value)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
}

function fault(text: string, at: string, cause?: unknown): ConsentryError {
  return new ConsentryError('malformed', text, { expression: [at], cause })
}

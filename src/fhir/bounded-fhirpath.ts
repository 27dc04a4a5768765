import fhirpath from 'fhirpath'
import { ConsentryError } from '../errors.js'
import { ExactNumber, type JsonValue, numberValue } from './json.js'

const MAX_LENGTH = 1000
const MAX_NODES = 500
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

interface Ast {
  readonly type: string
  readonly text?: string
  readonly children?: readonly Ast[]
}

/**
 * Nodes of a FHIRPath expression (http://hl7.org/fhirpath/N1/) that a client wrote: evaluated on an element, it takes work of
 * the order of its nodes times those of the element.
 *
 * @throws ConsentryError `malformed` for what is no FHIRPath, is too long, or uses functions or variables beyond these
 */
export function boundedNodes(expression: string, at: string): number {
  const fault = (text: string, cause?: unknown): ConsentryError =>
    new ConsentryError('malformed', text, { expression: [at], cause })
  if (expression.length > MAX_LENGTH) throw fault(`An expression has at most ${MAX_LENGTH} characters here.`)
  let nodes = 0
  const visit = ({ type, text = '', children = [] }: Ast): void => {
    if (++nodes > MAX_NODES) throw fault('The expression is too long.')
    if (type === 'Functn' && !FUNCTIONS.has(text)) {
      throw fault(`A FHIRPath expression may use the functions ${[...FUNCTIONS].join(', ')} here.`)
    }
    // The library compares each with each: three times 20,000 strings took it 50 s.
    if (type === 'UnionExpression') throw fault('A FHIRPath expression makes no unions here.')
    if (type === 'ExternalConstant') throw fault('A FHIRPath expression has no variables here.')
    children.forEach(visit)
  }
  let ast: Ast
  try {
    ast = fhirpath.parse(expression) as Ast
  } catch (cause) {
    throw fault('The expression is not FHIRPath.', cause)
  }
  visit(ast)
  return nodes
}

/** The library knows JavaScript's numbers only, so digits behind the sixteenth are not seen. */
export function plainJson(value: JsonValue): unknown {
  if (value instanceof ExactNumber) return numberValue(value)
  if (Array.isArray(value)) return value.map(plainJson)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plainJson(item)]))
}

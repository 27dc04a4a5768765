import { isNumber, numberText, numberValue } from '../../json.js'
import { type Environment, type Items, NOTHING } from './items.js'
import { type Node, UnsupportedExpression } from './parse.js'

export type Call = Node & { readonly kind: 'call' }
export interface Compiler {
  readonly evaluate: (node: Node) => (focus: unknown, env: Environment) => Items
  readonly test: (node: Node) => (focus: unknown, env: Environment) => boolean | undefined
}
/** On the input of a call; `focus` is the `$this` around it, in which plain arguments are evaluated. */
export type Apply = (input: Items, focus: unknown, env: Environment) => Items

export function argument(node: Call): Node {
  const [first] = node.args
  if (first === undefined) throw new UnsupportedExpression(`${node.name}() without argument`)
  return first
}

/** Functions from one text or number to another. @throws UnsupportedExpression */
export function compileConversion(node: Call, compiler: Compiler): Apply {
  switch (node.name) {
    case 'toString':
      return ([item]) => (isNumber(item) ? [numberText(item)] : typeof item === 'string' ? [item] : NOTHING)
    case 'toInteger':
      return ([item]) => {
        if (isNumber(item)) return Number.isInteger(numberValue(item)) ? [numberValue(item)] : NOTHING
        return typeof item === 'string' && /^[+-]?\d{1,10}$/.test(item) ? [Number(item)] : NOTHING
      }
    case 'upper':
      return ([item]) => (typeof item === 'string' ? [item.toUpperCase()] : NOTHING)
    case 'lower':
      return ([item]) => (typeof item === 'string' ? [item.toLowerCase()] : NOTHING)
    case 'trim':
      return ([item]) => (typeof item === 'string' ? [item.trim()] : NOTHING)
    case 'toDecimal':
      return ([item]) => {
        if (isNumber(item)) return [numberValue(item)]
        return typeof item === 'string' && /^[+-]?\d{1,30}(?:\.\d{1,30})?$/.test(item) ? [Number(item)] : NOTHING
      }
    case 'indexOf': {
      const part = compiler.evaluate(argument(node))
      return ([item], focus, env) => {
        const [text] = part(focus, env)
        return typeof item === 'string' && typeof text === 'string' ? [item.indexOf(text)] : NOTHING
      }
    }
    case 'length':
      return ([item]) => (typeof item === 'string' ? [item.length] : NOTHING)
    case 'substring': {
      const start = compiler.evaluate(argument(node))
      const length = node.args[1] && compiler.evaluate(node.args[1])
      return ([item], focus, env) => {
        const [from] = start(focus, env)
        if (typeof item !== 'string' || typeof from !== 'number' || from < 0 || from >= item.length) return NOTHING
        const count = length?.(focus, env)[0]
        return [typeof count === 'number' ? item.slice(from, from + Math.max(0, count)) : item.slice(from)]
      }
    }
    case 'replaceMatches': {
      const [pattern, by] = node.args
      if (pattern?.kind !== 'literal' || by?.kind !== 'literal')
        throw new UnsupportedExpression('replaceMatches() with computed arguments')
      const regex = new RegExp(String(pattern.value), 'g')
      return ([item]) => (typeof item === 'string' ? [item.replace(regex, String(by.value))] : NOTHING)
    }
    default:
      throw new UnsupportedExpression(`${node.name}()`)
  }
}

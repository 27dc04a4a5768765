import { isNumber, numberText, numberValue } from '../../json.js'
import { type Environment, equal, identity, type Items, NOTHING, WITHOUT_VALUE } from './items.js'
import { children, descendants, existsAt } from './navigate.js'
import { type Node, UnsupportedExpression } from './parse.js'

type Call = Node & { readonly kind: 'call' }
type Evaluate = (focus: unknown, env: Environment) => Items
type Test = (focus: unknown, env: Environment) => boolean | undefined
interface Compiler {
  readonly evaluate: (node: Node) => Evaluate
  readonly test: (node: Node) => Test
}
/** On the input of a call; `focus` is the `$this` around it, in which plain arguments are evaluated. */
type Apply = (input: Items, focus: unknown, env: Environment) => Items

/** Functions that answer a boolean, compiled without collections where that is easy. */
export function compileTestFunction(node: Call, compiler: Compiler): Test | undefined {
  const { of, args } = node
  const source: Evaluate =
    of === undefined ? (focus) => (focus === undefined ? NOTHING : [focus]) : compiler.evaluate(of)
  switch (node.name) {
    case 'not': {
      const inner = of === undefined ? undefined : compiler.test(of)
      return inner && ((focus, env) => negated(inner(focus, env)))
    }
    case 'exists': {
      const criterion = args[0] && compiler.test(args[0])
      if (criterion !== undefined) {
        return (focus, env) => source(focus, env).some((item) => criterion(item, env) === true)
      }
      const exists = directChild(of)
      return exists ?? ((focus, env) => source(focus, env).length > 0)
    }
    case 'empty': {
      const exists = directChild(of)
      return exists === undefined ? (focus, env) => source(focus, env).length === 0 : (focus) => !exists(focus)
    }
    case 'hasValue':
      return (focus, env) => {
        const [item] = source(focus, env)
        return item !== undefined && item !== WITHOUT_VALUE && (typeof item !== 'object' || isNumber(item))
      }
    case 'all': {
      const criterion = compiler.test(argument(node))
      return (focus, env) => source(focus, env).every((item) => criterion(item, env) === true)
    }
    case 'isDistinct':
      return (focus, env) => {
        const items = source(focus, env)
        env.spend(items.length)
        return new Set(items.map(identity)).size === items.length
      }
    case 'matches':
    case 'startsWith':
    case 'contains':
      return textTest(node.name, source, argument(node), compiler)
    default:
      return undefined
  }
}

function directChild(of: Node | undefined): ((focus: unknown) => boolean) | undefined {
  return of?.kind === 'child' && of.of === undefined && !/^[A-Z]/.test(of.name) ? existsAt(of.name) : undefined
}

const negated = (answer: boolean | undefined): boolean | undefined => (answer === undefined ? undefined : !answer)

function argument(node: Call): Node {
  const [first] = node.args
  if (first === undefined) throw new UnsupportedExpression(`${node.name}() without argument`)
  return first
}

function textTest(name: 'matches' | 'startsWith' | 'contains', source: Evaluate, by: Node, compiler: Compiler): Test {
  const other = compiler.evaluate(by)
  const fixed = name === 'matches' && by.kind === 'literal' ? new RegExp(String(by.value)) : undefined
  if (name === 'matches' && fixed === undefined) throw new UnsupportedExpression('matches() with a computed pattern')
  return (focus, env) => {
    const [text] = source(focus, env)
    if (typeof text !== 'string') return false
    if (fixed !== undefined) return fixed.test(text)
    const [part] = other(focus, env)
    if (typeof part !== 'string') return undefined
    return name === 'startsWith' ? text.startsWith(part) : text.includes(part)
  }
}

/** Functions that answer a collection. @throws UnsupportedExpression */
export function compileFunction(node: Call, compiler: Compiler): Apply {
  switch (node.name) {
    case 'count':
      return (input) => [input.length]
    case 'first':
      return (input) => input.slice(0, 1)
    case 'last':
      return (input) => input.slice(-1)
    case 'tail':
      return (input) => input.slice(1)
    case 'trace':
      return (input) => input
    case 'resolve':
      return () => NOTHING
    case 'children':
      return (input, _, env) => input.flatMap((item) => children(item, env))
    case 'descendants':
      return (input, _, env) => input.flatMap((item) => descendants(item, env))
    case 'where': {
      const criterion = compiler.test(argument(node))
      return (input, _, env) => input.filter((item) => criterion(item, env) === true)
    }
    case 'select': {
      const projection = compiler.evaluate(argument(node))
      return (input, _, env) => input.flatMap((item) => projection(item, env))
    }
    case 'combine': {
      const other = compiler.evaluate(argument(node))
      return (input, focus, env) => [...input, ...other(focus, env)]
    }
    case 'intersect': {
      const other = compiler.evaluate(argument(node))
      return (input, focus, env) => {
        const others = other(focus, env)
        return input.filter((item) => others.some((candidate) => equal(item, candidate, env)))
      }
    }
    case 'iif': {
      const [condition, then, otherwise] = node.args
      if (condition === undefined || then === undefined) throw new UnsupportedExpression('iif() without arguments')
      const decide = compiler.test(condition)
      const yes = compiler.evaluate(then)
      const no = otherwise === undefined ? () => NOTHING : compiler.evaluate(otherwise)
      return (input, focus, env) => {
        const on = node.of === undefined ? focus : input[0]
        return decide(on, env) === true ? yes(on, env) : no(on, env)
      }
    }
    default:
      return compileConversion(node, compiler)
  }
}

function compileConversion(node: Call, compiler: Compiler): Apply {
  switch (node.name) {
    case 'toString':
      return ([item]) => (isNumber(item) ? [numberText(item)] : typeof item === 'string' ? [item] : NOTHING)
    case 'toInteger':
      return ([item]) => {
        if (isNumber(item)) return Number.isInteger(numberValue(item)) ? [numberValue(item)] : NOTHING
        return typeof item === 'string' && /^[+-]?\d{1,10}$/.test(item) ? [Number(item)] : NOTHING
      }
    case 'length':
      return ([item]) => (typeof item === 'string' ? [item.length] : NOTHING)
    case 'substring': {
      const start = compiler.evaluate(argument(node))
      return ([item], focus, env) => (typeof item === 'string' ? [item.slice(Number(start(focus, env)[0]))] : NOTHING)
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

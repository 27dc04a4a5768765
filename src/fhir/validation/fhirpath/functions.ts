import { isNumber } from '../../json.js'
import { type Apply, argument, type Call, type Compiler, compileConversion } from './conversions.js'
import { type Environment, equal, identity, isMap, type Items, NOTHING, WITHOUT_VALUE } from './items.js'
import { children, descendants, existsAt } from './navigate.js'
import { type Node, UnsupportedExpression } from './parse.js'

type Evaluate = (focus: unknown, env: Environment) => Items
type Test = (focus: unknown, env: Environment) => boolean | undefined

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
    case 'htmlChecks':
      // txt-1 is checked where the narrative stands
      return () => true
    case 'subsetOf':
    case 'supersetOf': {
      const other = compiler.evaluate(argument(node))
      return (focus, env) => {
        const [items, others] = [source(focus, env), other(focus, env)]
        const [part, whole] = node.name === 'subsetOf' ? [items, others] : [others, items]
        return part.every((item) => whole.some((one) => equal(item, one, env)))
      }
    }
    case 'allTrue':
    case 'allFalse':
      return (focus, env) => source(focus, env).every((item) => item === (node.name === 'allTrue'))
    case 'anyTrue':
    case 'anyFalse':
      return (focus, env) => source(focus, env).some((item) => item === (node.name === 'anyTrue'))
    case 'memberOf':
    case 'conformsTo':
      return asked(node.name, source, compiler.evaluate(argument(node)))
    case 'matches':
    case 'startsWith':
    case 'endsWith':
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

/** What depends on value sets and profiles; of what is unknown here nothing is said. */
function asked(name: 'memberOf' | 'conformsTo', source: Evaluate, by: Evaluate): Test {
  return (focus, env) => {
    const [value] = source(focus, env)
    const [canonical] = by(focus, env)
    if (value === undefined || typeof canonical !== 'string') return undefined
    env.spend(100)
    if (name === 'memberOf') return env.surroundings?.memberOf(value, canonical) ?? true
    return typeof value === 'object' && value !== null
      ? (env.surroundings?.conformsTo(value, canonical) ?? true)
      : undefined
  }
}

function textTest(
  name: 'matches' | 'startsWith' | 'endsWith' | 'contains',
  source: Evaluate,
  by: Node,
  compiler: Compiler,
): Test {
  const other = compiler.evaluate(by)
  const fixed = name === 'matches' && by.kind === 'literal' ? new RegExp(String(by.value)) : undefined
  if (name === 'matches' && fixed === undefined) throw new UnsupportedExpression('matches() with a computed pattern')
  return (focus, env) => {
    const [text] = source(focus, env)
    if (typeof text !== 'string') return false
    if (fixed !== undefined) return fixed.test(text)
    const [part] = other(focus, env)
    if (typeof part !== 'string') return undefined
    if (name === 'contains') return text.includes(part)
    return name === 'startsWith' ? text.startsWith(part) : text.endsWith(part)
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
      return (input, _, env) => input.flatMap((item) => resolved(item, env))
    case 'single':
      return (input) => (input.length === 1 ? input : NOTHING)
    case 'skip':
    case 'take': {
      const number = compiler.evaluate(argument(node))
      return (input, focus, env) => {
        const [count] = number(focus, env)
        if (typeof count !== 'number') return NOTHING
        return node.name === 'skip' ? input.slice(Math.max(0, count)) : input.slice(0, Math.max(0, count))
      }
    }
    case 'distinct':
      return (input, _, env) => {
        env.spend(input.length)
        return [...new Map(input.map((item) => [identity(item), item])).values()]
      }
    case 'exclude': {
      const other = compiler.evaluate(argument(node))
      return (input, focus, env) => {
        const others = other(focus, env)
        return input.filter((item) => !others.some((candidate) => equal(item, candidate, env)))
      }
    }
    case 'repeat': {
      const projection = compiler.evaluate(argument(node))
      return (input, _, env) => {
        const found = new Set<unknown>()
        const waiting = [...input]
        for (const item of waiting) {
          for (const next of projection(item, env)) {
            env.spend(1)
            if (found.has(next)) continue
            found.add(next)
            waiting.push(next)
          }
        }
        return [...found]
      }
    }
    case 'extension': {
      const url = compiler.evaluate(argument(node))
      return (input, focus, env) => {
        const [wanted] = url(focus, env)
        return input.flatMap((item) => {
          const list = isMap(item) ? item['extension'] : undefined
          return Array.isArray(list) ? list.filter((one) => isMap(one) && one['url'] === wanted) : []
        })
      }
    }
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

function resolved(item: unknown, env: Environment): Items {
  const reference = isMap(item) ? item['reference'] : item
  if (typeof reference !== 'string' || typeof env.resource !== 'object' || env.resource === null) return NOTHING
  env.spend(10)
  const target = env.surroundings?.resolve(reference, env.resource)
  return target === undefined ? NOTHING : [target]
}

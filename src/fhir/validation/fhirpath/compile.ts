import { isNumber, numberValue } from '../../json.js'
import { FORMATS } from '../primitives.js'
import { compileFunction, compileTestFunction } from './functions.js'
import { compare, type Environment, equal, isMap, type Items, NOTHING } from './items.js'
import { elementsAt, isChoice, navigateTo, navigateToTyped } from './navigate.js'
import { ARITHMETIC, LOGIC, negate, ORDER } from './operators.js'
import { type Node, parse, UnsupportedExpression } from './parse.js'

/** From a focus of one item (undefined for none) to a collection. */
export type Evaluate = (focus: unknown, env: Environment) => Items
/** From a focus to true, false or, as FHIRPath's empty collection, undefined. */
export type Test = (focus: unknown, env: Environment) => boolean | undefined

/**
 * Compiles a FHIRPath expression (http://hl7.org/fhirpath/N1/) into closures over JSON. It is the part of the
 * language that the invariants of R4 use, read as their authors meant them: a comparison that differing precision
 * or units leave open counts as true; `is`, `startsWith`, `contains` and `matches` are false of nothing, rather
 * than nothing (bdl-8 and ras-2 would otherwise refuse what they are not about); `resolve()` finds what stands in the
 * same document; `memberOf()` and `conformsTo()` of what nobody knows here count as true.
 *
 * @throws UnsupportedExpression for anything else, which a full FHIRPath engine may then evaluate
 */
export function compileTest(source: string): Test {
  return test(parse(source))
}

export function evaluate(node: Node): Evaluate {
  switch (node.kind) {
    case 'nothing':
      return () => NOTHING
    case 'literal': {
      const value = [node.value]
      return () => value
    }
    case 'this':
      return itself
    case 'variable':
      return variable(node.name)
    case 'child':
      return child(node.name, node.of)
    case 'index': {
      const of = evaluate(node.of)
      const at = evaluate(node.at)
      return (focus, env) => of(focus, env).slice(Number(at(focus, env)[0]), Number(at(focus, env)[0]) + 1)
    }
    case 'type':
      return node.operator === 'is' ? booleans(test(node)) : ofType(node.of, node.type)
    case 'call':
      return call(node)
    case 'binary':
      return binary(node)
  }
}

const itself: Evaluate = (focus) => (focus === undefined ? NOTHING : [focus])

function booleans(decide: Test): Evaluate {
  return (focus, env) => {
    const answer = decide(focus, env)
    return answer === undefined ? NOTHING : [answer]
  }
}

function variable(name: string): Evaluate {
  if (name === 'ucum') return () => ['http://unitsofmeasure.org']
  if (name === 'resource' || name === 'context' || name === 'rootResource') return (_, env) => [env[name]]
  throw new UnsupportedExpression(`%${name}`)
}

function child(name: string, of: Node | undefined): Evaluate {
  if (of === undefined) {
    // an expression may start with the type of its focus: Appointment.status
    if (/^[A-Z]/.test(name)) return itself
    return navigateTo(name)
  }
  const source = name === 'extension' ? elements(of) : evaluate(of)
  const navigate = navigateTo(name)
  return (focus, env) => flatMap(source(focus, env), (item) => navigate(item, env))
}

/**
 * The elements that a node finds, as what carries extensions: a primitive as the object with its id and extensions, which
 * JSON writes beside it.
 */
function elements(node: Node | undefined): Evaluate {
  if (node === undefined || node.kind === 'this') {
    return (focus, env) => {
      if (isMap(focus)) return [focus]
      return env.beside !== undefined && focus === env.context ? [env.beside] : NOTHING
    }
  }
  if (node.kind === 'child' && node.name !== 'extension') {
    const source = node.of === undefined ? itself : evaluate(node.of)
    const { name } = node
    return (focus, env) => flatMap(source(focus, env), (item) => elementsAt(item, name, env))
  }
  if (node.kind === 'index') {
    const of = elements(node.of)
    const at = evaluate(node.at)
    return (focus, env) => of(focus, env).slice(Number(at(focus, env)[0]), Number(at(focus, env)[0]) + 1)
  }
  if (node.kind === 'call' && node.name === 'first') {
    const of = elements(node.of)
    return (focus, env) => of(focus, env).slice(0, 1)
  }
  return evaluate(node)
}

export function flatMap(items: Items, map: (item: unknown) => Items): Items {
  if (items.length === 1) return map(items[0])
  if (items.length === 0) return NOTHING
  const all: unknown[] = []
  for (const item of items) for (const mapped of map(item)) all.push(mapped)
  return all
}

/** `value as Quantity`: a choice of that type, or resources and plain values that are of it. */
function ofType(of: Node | undefined, type: string): Evaluate {
  if (of?.kind === 'child' && isChoice(of.name)) {
    const navigate = navigateToTyped(of.name, type)
    const source = of.of === undefined ? itself : evaluate(of.of)
    return (focus, env) => flatMap(source(focus, env), (item) => navigate(item, env))
  }
  const source = of === undefined ? itself : evaluate(of)
  return (focus, env) => source(focus, env).filter((item) => isOfType(item, type))
}

function isOfType(item: unknown, type: string): boolean {
  if (isNumber(item)) return ['integer', 'decimal', 'positiveInt', 'unsignedInt'].includes(lowerFirst(type))
  if (typeof item === 'object' && item !== null) return (item as { resourceType?: unknown }).resourceType === type
  // JSON does not tell a code from a string; the format tells a date
  return FORMATS[lowerFirst(type)]?.(item) === undefined && FORMATS[lowerFirst(type)] !== undefined
}

const lowerFirst = (type: string): string => type.charAt(0).toLowerCase() + type.slice(1)

function call(node: Node & { kind: 'call' }): Evaluate {
  if (node.name === 'as' || node.name === 'ofType') return ofType(node.of, typeArgument(node))
  const decide = compileTestFunction(node, { evaluate, test })
  if (decide !== undefined) return booleans(decide)
  const source = node.name === 'extension' ? elements(node.of) : node.of === undefined ? itself : evaluate(node.of)
  const apply = compileFunction(node, { evaluate, test })
  return (focus, env) => apply(source(focus, env), focus, env)
}

function typeArgument(node: Node & { kind: 'call' }): string {
  const [argument] = node.args
  if (argument?.kind !== 'child') throw new UnsupportedExpression(`${node.name}() without a type`)
  return argument.name
}

function binary(node: Node & { kind: 'binary' }): Evaluate {
  const { operator } = node
  const calculate = ARITHMETIC[operator]
  if (operator !== '|' && operator !== '&' && calculate === undefined) return booleans(test(node))
  const left = evaluate(node.left)
  const right = evaluate(node.right)
  if (operator === '|') return (focus, env) => union(left(focus, env), right(focus, env), env)
  if (operator === '&') return (focus, env) => [text(left(focus, env)) + text(right(focus, env))]
  return (focus, env) => {
    const a = left(focus, env)[0]
    const b = right(focus, env)[0]
    if (operator === '+' && typeof a === 'string' && typeof b === 'string') return [a + b]
    if (calculate === undefined || !isNumber(a) || !isNumber(b)) return NOTHING
    const result = calculate(numberValue(a), numberValue(b))
    return Number.isFinite(result) ? [result] : NOTHING
  }
}

const text = (items: Items): string => (typeof items[0] === 'string' ? items[0] : '')

function union(left: Items, right: Items, env: Environment): Items {
  const all: unknown[] = []
  for (const item of [...left, ...right]) if (!all.some((known) => equal(known, item, env))) all.push(item)
  return all
}

/** A single item that is not a boolean counts as true, http://hl7.org/fhirpath/N1/#singleton-evaluation-of-collections. */
function truth(items: Items): boolean | undefined {
  if (items.length === 0) return undefined
  return typeof items[0] === 'boolean' ? items[0] : true
}

export function test(node: Node): Test {
  if (node.kind === 'binary') return binaryTest(node)
  if (node.kind === 'type' && node.operator === 'is') {
    const matching = ofType(node.of, node.type)
    return (focus, env) => matching(focus, env).length > 0
  }
  if (node.kind === 'call') {
    if (node.name === 'is') {
      const type = typeArgument(node)
      return test({ kind: 'type', operator: 'is', of: node.of ?? { kind: 'this' }, type })
    }
    const decide = compileTestFunction(node, { evaluate, test })
    if (decide !== undefined) return decide
  }
  const items = evaluate(node)
  return (focus, env) => truth(items(focus, env))
}

function binaryTest(node: Node & { kind: 'binary' }): Test {
  switch (node.operator) {
    case 'and':
    case 'or':
    case 'xor':
    case 'implies':
      return LOGIC[node.operator](test(node.left), test(node.right))
  }
  const left = evaluate(node.left)
  const right = evaluate(node.right)
  switch (node.operator) {
    case '=':
      return (focus, env) => sameItems(left(focus, env), right(focus, env), env)
    case '!=':
      return (focus, env) => negate(sameItems(left(focus, env), right(focus, env), env))
    case 'in':
      return (focus, env) => member(left(focus, env), right(focus, env), env)
    case 'contains':
      return (focus, env) => member(right(focus, env), left(focus, env), env)
    case '<':
    case '>':
    case '<=':
    case '>=': {
      const holds = ORDER[node.operator]
      return (focus, env) => {
        const a = left(focus, env)[0]
        const b = right(focus, env)[0]
        if (a === undefined || b === undefined) return undefined
        const order = compare(a, b)
        return order === undefined || holds(order)
      }
    }
    default: {
      const items = evaluate(node)
      return (focus, env) => truth(items(focus, env))
    }
  }
}

function sameItems(left: Items, right: Items, env: Environment): boolean | undefined {
  if (left.length === 0 || right.length === 0) return undefined
  return left.length === right.length && left.every((item, index) => equal(item, right[index], env))
}

/** `in`; of several items on the left one is enough (strict FHIRPath would refuse to answer). */
function member(items: Items, of: Items, env: Environment): boolean | undefined {
  if (items.length === 0) return undefined
  return items.some((item) => of.some((other) => equal(item, other, env)))
}

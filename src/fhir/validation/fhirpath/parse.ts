/** Syntax tree of a FHIRPath expression; `of` absent means the focus. */
export type Node =
  | { readonly kind: 'literal'; readonly value: string | number | boolean }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'this' }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'child'; readonly of?: Node; readonly name: string }
  | { readonly kind: 'call'; readonly of?: Node; readonly name: string; readonly args: readonly Node[] }
  | { readonly kind: 'index'; readonly of: Node; readonly at: Node }
  | { readonly kind: 'binary'; readonly operator: string; readonly left: Node; readonly right: Node }
  | { readonly kind: 'type'; readonly operator: 'is' | 'as'; readonly of: Node; readonly type: string }

/** The expression is outside the part of FHIRPath that is compiled here. */
export class UnsupportedExpression extends Error {}

const TOKEN =
  /\s*(?:(\d+(?:\.\d+)?)|'((?:[^'\\]|\\.)*)'|(%?(?:[A-Za-z_][A-Za-z0-9_]*|`[^`]+`)|\$this)|(<=|>=|!=|[-+*/&|=<>.,()[\]{}]))/y

type Token = { readonly type: 'number' | 'string' | 'name' | 'sign' | 'end'; readonly text: string }

function tokens(source: string): Token[] {
  const list: Token[] = []
  const text = source.trim()
  for (let at = 0; at < text.length; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at
    const match = TOKEN.exec(text)
    if (match === null) throw new UnsupportedExpression(`character ${at + 1} of ${source}`)
    const [, number, string, name, sign] = match
    if (number !== undefined) list.push({ type: 'number', text: number })
    else if (string !== undefined) list.push({ type: 'string', text: unescape(string) })
    else if (name !== undefined) list.push({ type: 'name', text: name })
    else list.push({ type: 'sign', text: sign ?? '' })
  }
  return [...list, { type: 'end', text: '' }]
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', f: '\f' }
const unescape = (text: string): string => text.replace(/\\(.)/g, (_, c: string) => ESCAPES[c] ?? c)

/** Binding strength of the binary operators, http://hl7.org/fhirpath/N1/#operator-precedence. */
const STRENGTH: Readonly<Record<string, number>> = {
  implies: 1,
  or: 2,
  xor: 2,
  and: 3,
  in: 4,
  contains: 4,
  '=': 5,
  '!=': 5,
  '<': 6,
  '>': 6,
  '<=': 6,
  '>=': 6,
  '|': 7,
  is: 8,
  as: 8,
  '+': 9,
  '-': 9,
  '&': 9,
  '*': 10,
  '/': 10,
  div: 10,
  mod: 10,
}

/** Parses a FHIRPath expression. @throws UnsupportedExpression */
export function parse(source: string): Node {
  const list = tokens(source)
  let at = 0
  const peek = (): Token => list[at] ?? { type: 'end', text: '' }
  const accept = (text: string): boolean => {
    const token = peek()
    if (token.type === 'string' || token.text !== text || token.type === 'end') return false
    at++
    return true
  }
  const expect = (text: string): void => {
    if (!accept(text)) throw new UnsupportedExpression(`${text} expected in ${source}`)
  }
  const name = (): string => {
    const token = list[at++]
    if (token?.type !== 'name') throw new UnsupportedExpression(`a name expected in ${source}`)
    return token.text.replace(/`/g, '')
  }

  function binary(minimum: number): Node {
    let left = postfix()
    for (;;) {
      const operator = peek().type === 'string' ? '' : peek().text
      const strength = STRENGTH[operator] ?? 0
      if (strength < minimum || strength === 0) return left
      at++
      if (operator === 'is' || operator === 'as') left = { kind: 'type', operator, of: left, type: typeName() }
      else left = { kind: 'binary', operator, left, right: binary(strength + 1) }
    }
  }

  function typeName(): string {
    const first = name()
    return accept('.') ? name() : first
  }

  function postfix(): Node {
    let node = term()
    for (;;) {
      if (accept('.')) node = invocation(node)
      else if (accept('[')) {
        node = { kind: 'index', of: node, at: binary(1) }
        expect(']')
      } else return node
    }
  }

  function term(): Node {
    const token = peek()
    if (token.type === 'number' || token.type === 'string') {
      at++
      return { kind: 'literal', value: token.type === 'number' ? Number(token.text) : token.text }
    }
    if (token.type === 'sign' && accept('-')) {
      return { kind: 'binary', operator: '-', left: { kind: 'literal', value: 0 }, right: postfix() }
    }
    if (accept('(')) {
      const inner = binary(1)
      expect(')')
      return inner
    }
    if (accept('{')) {
      expect('}')
      return { kind: 'nothing' }
    }
    if (accept('$this')) return { kind: 'this' }
    if (accept('true') || accept('false')) return { kind: 'literal', value: token.text === 'true' }
    if (token.text.startsWith('%')) return { kind: 'variable', name: name().slice(1) }
    return invocation(undefined)
  }

  function invocation(of: Node | undefined): Node {
    const called = name()
    const on = of === undefined ? {} : { of }
    if (!accept('(')) return { kind: 'child', name: called, ...on }
    const args: Node[] = []
    if (!accept(')')) {
      do args.push(binary(1))
      while (accept(','))
      expect(')')
    }
    return { kind: 'call', name: called, args, ...on }
  }

  const tree = binary(1)
  if (peek().type !== 'end') throw new UnsupportedExpression(`unexpected ${peek().text} in ${source}`)
  return tree
}

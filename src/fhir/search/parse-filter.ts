import { filterTest, isOperator } from './filter-test.js'
import { type ClauseContext, parsePath, spendReferences } from './parse-clause.js'
import type { Clause } from '../../clauses/clause.js'
import { Refusal } from './refusal.js'

/** Parentheses inside of each other, `not` included. */
const MOST_NESTED = 20

/**
 * `_filter`, https://hl7.org/fhir/R4/search_filter.html, as clauses of the store:
 *
 *     filter   := operand (('and' | 'or') operand)*      left to right, "with no precedence"
 *     operand  := 'not' '(' filter ')' | '(' filter ')' | path operator value
 *     path     := name ('.' name)* | '_has:' Type ':' name ':' path
 *     value    := a JSON string | any characters but white space, ')' and ']'
 *
 * What of it the index can answer is in filter-test.ts.
 *
 * @throws Refusal; positions are counted in characters from 1
 */
export function parseFilterExpression(type: string, _name: string, text: string, context: ClauseContext): Clause {
  const parser = new FilterParser(text, type, context)
  const clause = parser.expression(0)
  parser.end()
  return clause
}

class FilterParser {
  #at = 0

  constructor(
    private readonly text: string,
    private readonly type: string,
    private readonly context: ClauseContext,
  ) {}

  expression(depth: number): Clause {
    if (depth > MOST_NESTED)
      throw new Refusal('too-costly', `has more than ${MOST_NESTED} parentheses inside of each other`)
    let left = this.#operand(depth)
    for (let word = this.#take(/(and|or)(?=[\s(]|$)/y); word !== undefined; word = this.#take(/(and|or)(?=[\s(]|$)/y)) {
      const is = word === 'and' ? 'all' : 'any'
      const right = this.#operand(depth)
      // a and b and c is one list, not a tree
      left =
        left.is === is && this.#joined.has(left)
          ? { is, clauses: [...left.clauses, right] }
          : { is, clauses: [left, right] }
      this.#joined.add(left)
    }
    return left
  }

  /** Made here of operands of one level, not inside of parentheses. */
  readonly #joined = new WeakSet<Clause>()

  end(): void {
    if (this.#take(/\s*/y) !== undefined && this.#at < this.text.length) throw this.#wrong('and, or, or the end')
  }

  #operand(depth: number): Clause {
    const negated = this.#take(/not\s*(?=\()/y) !== undefined
    if (this.#take(/\(/y) !== undefined) {
      const inside = this.expression(depth + 1)
      if (this.#take(/\)/y) === undefined) throw this.#wrong(')')
      return negated ? { is: 'none', clause: inside } : { is: 'all', clauses: [inside] }
    }
    return this.#test()
  }

  #test(): Clause {
    const path = this.#take(/(?:_has:[A-Za-z]+:[\w-]+:)*[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*/y)
    if (path === undefined) throw this.#wrong('the name of a search parameter')
    if (this.text[this.#at] === '[') {
      throw new Refusal(
        'not-supported',
        `has a filter inside of a path at ${this.#at + 1}, which the index cannot answer`,
      )
    }
    const operator = this.#take(/[a-z]{2}(?=\s)/y)
    if (operator === undefined || !isOperator(operator)) {
      throw this.#wrong('one of eq, ne, co, sw, gt, lt, ge, le, ap, sa, eb, pr, po, ss, sb, in, ni, re')
    }
    const value = this.#value()
    spendReferences(path, this.context)
    const clause = parsePath(this.type, path, this.context, (type, parameter) =>
      filterTest(type, parameter, operator, value, this.context),
    )
    if (clause === undefined) throw this.#wrong('a value')
    return clause
  }

  #value(): string {
    const quoted = this.#take(/"(?:[^"\\]|\\.)*"/y)
    if (quoted !== undefined) {
      const text = jsonString(quoted)
      if (text !== undefined && text !== '') return text
    }
    const plain = quoted === undefined ? this.#take(/[^\s"()[\]][^\s)\]]*/y) : undefined
    if (plain === undefined) throw this.#wrong('a value: a JSON string, or characters without white space')
    return plain
  }

  /** What stands next, white space before it apart. */
  #take(form: RegExp): string | undefined {
    while (/\s/.test(this.text[this.#at] ?? '')) this.#at++
    form.lastIndex = this.#at
    const found = form.exec(this.text)?.[0]
    if (found !== undefined) this.#at += found.length
    return found
  }

  #wrong(expected: string): Refusal {
    return new Refusal('invalid', `cannot be read at character ${this.#at + 1}, where ${expected} is expected`)
  }
}

function jsonString(text: string): string | undefined {
  try {
    return JSON.parse(text) as string
  } catch {
    return undefined
  }
}

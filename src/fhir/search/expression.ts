/*
 * Parser for the part of FHIRPath that search parameters use (all 1,375 of R4, and those of US Core, IPS and the like). The build reads this
 * file too (definitions/compile-search.mjs), so it imports nothing at run time.
 */

export type Step =
  | { readonly name: string }
  | { readonly index: number }
  | { readonly as: string }
  | { readonly where: readonly [field: string, text: string] }
  | { readonly resolvesTo: string }
  | { readonly presentAndNotFalse: true }

/**
 *     union   := term ( '|' term )*
 *     term    := '(' path 'as' Type ')' tail | path | name '.exists() and ' name ' != false'
 *     path    := step ( '.' step )*
 *     step    := name | name '[' digits ']' | 'as(' Type ')' | 'ofType(' Type ')'
 *              | "where(" name "='" text "')" | 'where(resolve() is ' Type ')'
 *
 * @returns one list of steps per member of the union
 * @throws Error for anything else, so a definition that needs more is noticed when it is read and not by a search that finds nothing
 */
export function parseExpression(expression: string): Step[][] {
  return splitUnion(expression).map((term) => parseTerm(term.trim(), expression))
}

/** Splits at `|` outside of parentheses. */
function splitUnion(expression: string): string[] {
  const terms: string[] = []
  let depth = 0
  let start = 0
  for (let i = 0; i < expression.length; i++) {
    const c = expression[i]
    if (c === '(') depth++
    else if (c === ')') depth--
    else if (c === '|' && depth === 0) {
      terms.push(expression.slice(start, i))
      start = i + 1
    }
  }
  terms.push(expression.slice(start))
  return terms
}

function parseTerm(term: string, expression: string): Step[] {
  const present = /^([\w.]+)\.exists\(\) and ([\w.]+) != false$/.exec(term)
  if (present && present[1] === present[2]) {
    return [...parsePath(present[1] ?? '', expression), { presentAndNotFalse: true }]
  }
  const cast = /^\(([\w.]+) as (\w+)\)(?:\.(.+))?$/.exec(term)
  if (cast) {
    return [
      ...parsePath(cast[1] ?? '', expression),
      { as: cast[2] ?? '' },
      ...(cast[3] === undefined ? [] : parsePath(cast[3], expression)),
    ]
  }
  const wrapped = /^\(([^()]*(?:\([^()]*\)[^()]*)*)\)(?:\.(.+))?$/.exec(term)
  if (wrapped) {
    return [...parseTerm(wrapped[1] ?? '', expression), ...(wrapped[2] ? parsePath(wrapped[2], expression) : [])]
  }
  return parsePath(term, expression)
}

const STEP =
  /^(?:where\((\w+)\s*=\s*'([^'[\]]*)'\)|where\(resolve\(\) is (\w+)\)|(?:as|ofType)\((\w+)\)|(\w+)(?:\[(\d+)\])?)(?:\.|$)/

function parsePath(path: string, expression: string): Step[] {
  const steps: Step[] = []
  let rest = path
  while (rest !== '') {
    const match = STEP.exec(rest)
    if (!match) {
      throw new Error(`Search expression "${expression}" is outside of the supported part of FHIRPath at "${rest}"`)
    }
    const [text, field, value, resolved, type, name, index] = match
    if (field !== undefined) steps.push({ where: [field, value ?? ''] })
    else if (resolved !== undefined) steps.push({ resolvesTo: resolved })
    else if (type !== undefined) steps.push({ as: type })
    else {
      steps.push({ name: name ?? '' })
      if (index !== undefined) steps.push({ index: Number(index) })
    }
    rest = rest.slice(text.length)
  }
  return steps
}

/** From a focus to true, false or, as FHIRPath's empty collection, undefined. */
type Test<Environment> = (focus: unknown, env: Environment) => boolean | undefined

/** http://hl7.org/fhirpath/N1/#math; of a division by zero nothing is left. */
export const ARITHMETIC: Readonly<Record<string, (a: number, b: number) => number>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  div: (a, b) => Math.trunc(a / b),
  mod: (a, b) => a % b,
}

/** What an order of two values says of an operator. */
export const ORDER = {
  '<': (order: number) => order < 0,
  '>': (order: number) => order > 0,
  '<=': (order: number) => order <= 0,
  '>=': (order: number) => order >= 0,
}

/** Three-valued logic, http://hl7.org/fhirpath/N1/#boolean-logic. */
export const LOGIC = {
  and:
    <E>(left: Test<E>, right: Test<E>): Test<E> =>
    (focus, env) => {
      const a = left(focus, env)
      if (a === false) return false
      const b = right(focus, env)
      return b === false ? false : a === true && b === true ? true : undefined
    },
  or:
    <E>(left: Test<E>, right: Test<E>): Test<E> =>
    (focus, env) => {
      const a = left(focus, env)
      if (a === true) return true
      const b = right(focus, env)
      return b === true ? true : a === false && b === false ? false : undefined
    },
  xor:
    <E>(left: Test<E>, right: Test<E>): Test<E> =>
    (focus, env) => {
      const a = left(focus, env)
      const b = right(focus, env)
      return a === undefined || b === undefined ? undefined : a !== b
    },
  implies:
    <E>(left: Test<E>, right: Test<E>): Test<E> =>
    (focus, env) => {
      const a = left(focus, env)
      if (a === false) return true
      const b = right(focus, env)
      return b === true ? true : a === true ? b : undefined
    },
}

export function negate(answer: boolean | undefined): boolean | undefined {
  return answer === undefined ? undefined : !answer
}

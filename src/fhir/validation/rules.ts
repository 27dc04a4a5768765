import { structures } from '../definitions/structures.js'
import { compileTest, type Test } from './fhirpath/compile.js'
import type { Environment } from './fhirpath/items.js'
import { UnsupportedExpression } from './fhirpath/parse.js'
import type { Walk } from './walk.js'

/** One invariant of R4, ready to run on the element that it is about. */
export interface Rule {
  readonly key: string
  readonly severity: 'error' | 'warning'
  readonly human: string
  readonly test: Test
}

/** Checked by code of their own: structure (ele-1), contained resources, local references and XHTML. */
const NATIVE = new Set(['ele-1', 'dom-2', 'dom-3', 'dom-4', 'dom-5', 'ref-1', 'txt-1', 'txt-2'])

const compiled = new Map<number, Rule | undefined>()

/**
 * The rule of a row of the constraint table, or undefined if it is checked natively or if its expression is
 * outside the compiled part of FHIRPath (none is in R4; a profile may bring one, for a full engine to run).
 */
export function ruleOf(index: number): Rule | undefined {
  if (!compiled.has(index)) compiled.set(index, compile(index))
  return compiled.get(index)
}

function compile(index: number): Rule | undefined {
  const row = structures().constraints[index]
  if (row === undefined || NATIVE.has(row[0])) return undefined
  const [key, severity, human, expression] = row
  try {
    return { key, severity, human, test: compileTest(expression) }
  } catch (error) {
    if (error instanceof UnsupportedExpression) return undefined
    throw error
  }
}

/** The constraints of R4 that neither native code nor the compiled FHIRPath covers. */
export function uncoveredConstraints(): string[] {
  return structures().constraints.flatMap(([key], index) =>
    NATIVE.has(key) || ruleOf(index) !== undefined ? [] : [key],
  )
}

/** Sentences of the specification that R4 gives no invariant for, by type. */
export const NATIVE_RULES: Readonly<Record<string, readonly Rule[]>> = {
  Attachment: [
    {
      key: 'Attachment.size',
      severity: 'error',
      human: 'size is the number of bytes of data before base64 encoding',
      test: (value) => {
        const { data, size } = value as { data?: unknown; size?: unknown }
        if (typeof data !== 'string' || typeof size !== 'number') return true
        const digits = data.replace(/[\s=]/g, '').length
        return Math.floor((digits * 3) / 4) === size
      },
    },
  ],
}

class TooCostly extends Error {}

/** Runs rules on a value; only `true` satisfies a rule, as the empty collection does not. */
export function applyRules(rules: readonly Rule[], value: unknown, walk: Walk, beside?: object): void {
  if (walk.exhausted || walk.tooDeep) return
  const env: Environment = {
    context: value,
    beside,
    resource: walk.resource,
    rootResource: walk.frame?.root,
    spend: (steps) => {
      walk.budget -= steps
      if (walk.budget < 0) throw new TooCostly()
    },
    surroundings: walk.surroundings,
  }
  for (const { key, severity, human, test } of rules) {
    if (severity === 'warning' && !walk.wantsWarnings) continue
    try {
      if (test(value, env) !== true) walk.add(severity, 'invariant', `${key}: ${human}.`.replace('..', '.'))
    } catch (error) {
      if (!(error instanceof TooCostly)) throw error
      walk.exhausted = true
      walk.error('too-costly', `the invariants of this resource need more work than allowed (at ${key}).`)
      return
    }
  }
}

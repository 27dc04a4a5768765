import { isNumber, numberText } from '../json.js'
import type { CodeSystem, Concept } from './code-system.js'

/** ValueSet.compose.include.filter, https://hl7.org/fhir/R4/valueset-filter-operator.html. */
export interface Filter {
  readonly property: string
  readonly op: string
  readonly value: string
}

/** Longer values match no pattern. */
const MAX_TESTED = 200

export type Select = (concept: Concept) => boolean

/** What a filter selects of a code system; undefined for an operator or a pattern that is not understood. */
export function selection({ property, op, value }: Filter, system: CodeSystem): Select | undefined {
  switch (op) {
    case 'is-a':
      return among(system.subsumed(value))
    case 'descendent-of':
      return among(system.subsumed(value).filter(({ code }) => code !== value))
    case 'is-not-a': {
      const under = among(system.subsumed(value))
      return (concept) => !under(concept)
    }
    case 'generalizes':
      return among(system.subsuming(value))
    case 'exists':
      return (concept) => valuesOf(concept, property).length > 0 === (value === 'true')
    case '=':
      return (concept) => valuesOf(concept, property).includes(value)
    case 'in':
    case 'not-in': {
      const listed = new Set(value.split(',').map((one) => one.trim()))
      return (concept) => valuesOf(concept, property).some((one) => listed.has(one)) === (op === 'in')
    }
    case 'regex': {
      const pattern = whole(value)
      return (
        pattern &&
        ((concept) => valuesOf(concept, property).some((one) => one.length <= MAX_TESTED && pattern.test(one)))
      )
    }
    default:
      return undefined
  }
}

function among(concepts: readonly Concept[]): Select {
  const set = new Set(concepts)
  return (concept) => set.has(concept)
}

/** "The specified property of the code matches the regex": the whole of it, as the examples of R4 show. */
function whole(pattern: string): RegExp | undefined {
  if (!isCheap(pattern)) return undefined
  try {
    return new RegExp(`^(?:${pattern})$`, 'u')
  } catch {
    return undefined
  }
}

/**
 * A client may store a value set with a pattern of its own, and JavaScript backtracks: only patterns that cannot take long
 * are run. At most two unbounded repetitions, none of them of a group, no look-around and no back reference.
 */
function isCheap(pattern: string): boolean {
  const bare = pattern
    .replace(/\\[^1-9k]/g, 'x')
    .replace(/\[[^\]]*\]/g, 'x')
    .replaceAll('(?:', '(')
  const quantifiers = bare.match(/[*+?]|\{[^}]*\}/g)?.length ?? 0
  // Alternatives one after the other multiply the ways like quantifiers do.
  const alternatives = bare.match(/\|/g)?.length ?? 0
  return pattern.length <= 500 && quantifiers <= 2 && quantifiers + alternatives <= 3 && !/\)[*+?{]|\(\?|\\/.test(bare)
}

function valuesOf(concept: Concept, property: string): string[] {
  const { code, display, parents, children } = concept
  if (property === 'code' || property === 'concept') return [code]
  if (property === 'display') return display === undefined ? [] : [display]
  if (property === 'parent') return [...parents]
  if (property === 'child') return [...children]
  if (property === 'inactive') return [String(concept.inactive)]
  return concept.properties.flatMap((row) => (row.code === property ? [text(row)] : []))
}

function text(row: Readonly<Record<string, unknown>>): string {
  const key = Object.keys(row).find((name) => name.startsWith('value'))
  const value = key === undefined ? '' : row[key]
  if (typeof value === 'object' && value !== null && 'code' in value) return String(value.code)
  return isNumber(value) ? numberText(value) : String(value)
}

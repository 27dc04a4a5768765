import type { CodeOf, Membership, Terminology } from '../../terminology.js'
import { UnknownContent } from '../../terminology.js'
import type { Walk } from '../walk.js'
import { isMap } from './match.js'

export type Strength = 'required' | 'extensible' | 'preferred' | 'example'

/**
 * The binding of an element in a profile, https://hl7.org/fhir/R4/terminologies.html#strength: a required one is an
 * error, an extensible one a warning. What nobody here knows is left open in the walk, for a terminology server.
 */
export interface ProfileBinding {
  readonly strength: Strength
  readonly valueSet: string
  holds(value: unknown): Membership
  check(value: unknown, walk: Walk): void
}

export function profileBinding(valueSet: string, strength: Strength, terminology: Terminology): ProfileBinding {
  const holds = (value: unknown): Membership => {
    const answers = codesOf(value).map((code) => terminology.holds(valueSet, code))
    if (answers.includes('in')) return 'in'
    return answers.includes('unknown') ? 'unknown' : 'out'
  }
  return {
    strength,
    valueSet,
    holds,
    check(value, walk) {
      if (strength !== 'required' && (strength !== 'extensible' || !walk.wantsWarnings)) return
      const codes = codesOf(value)
      if (codes.length === 0 && (strength === 'extensible' || !isCoded(value))) return
      const answer = holds(value)
      if (answer === 'unknown') walk.leaveOpen({ valueSet, codes, strength, expression: walk.expression() })
      if (answer !== 'out') return
      const [severity, ought] =
        strength === 'required' ? (['error', 'must'] as const) : (['warning', 'should'] as const)
      walk.add(severity, 'code-invalid', `${ought} be a code of ${valueSet}${listed(valueSet, terminology)}.`)
    },
  }
}

/** The codes of a value of type code, uri or string, Coding, Quantity or CodeableConcept. */
export function codesOf(value: unknown): CodeOf[] {
  if (typeof value === 'string') return [{ code: value }]
  if (!isMap(value)) return []
  const codings = 'coding' in value ? value['coding'] : [value]
  return (Array.isArray(codings) ? codings : []).flatMap((coding: unknown) => {
    if (!isMap(coding)) return []
    const { system, code } = coding
    return typeof system === 'string' && typeof code === 'string' ? [{ system, code }] : []
  })
}

/** An extension is no code and has none, whatever US Core writes at its element. */
const isCoded = (value: unknown): boolean => isMap(value) && !('url' in value)

const SHOWN = 12

function listed(valueSet: string, terminology: Terminology): string {
  try {
    const codes = terminology.expand(valueSet).map(({ code }) => code)
    return ` (${codes.slice(0, SHOWN).join(', ')}${codes.length > SHOWN ? `, … of ${codes.length}` : ''})`
  } catch (error) {
    if (error instanceof UnknownContent) return ''
    throw error
  }
}

import { randomUUID } from 'node:crypto'
import { ConsentryError } from '../../errors.js'
import type { Resource } from '../types.js'
import { type Member, UnknownContent, type ValueSet } from './compose.js'
import type { OperationInput } from './operation-input.js'

/** What `$expand` understands; of the others only that they change nothing here. */
export const EXPAND_PARAMETERS = [
  ...['url', 'valueSet', 'valueSetVersion', 'filter', 'offset', 'count', 'activeOnly'],
  // there is one language, no nesting, no post-coordination, and definitions and designations are in CodeSystem/$lookup
  ...['displayLanguage', 'includeDesignations', 'designation', 'includeDefinition', 'excludeNested'],
  ...['excludeNotForUI', 'excludePostCoordinated', 'date', 'context', 'contextDirection'],
]

/** Codes of a page, if the client does not say. */
const PAGE = 1_000

/**
 * `$expand`, https://hl7.org/fhir/R4/valueset-operation-expand.html: the ValueSet with its codes, flat, in the order of
 * the definition.
 *
 * @throws ConsentryError `invalid` naming what is not loaded, or `too-costly`
 */
export function expand(valueSet: ValueSet, input: OperationInput, now: Date): Resource {
  const filter = input.text('filter')
  const activeOnly = input.flag('activeOnly')
  const offset = input.number('offset', 0, 1_000_000)
  const count = input.number('count', PAGE, 50_000)
  const members = membersOf(valueSet).filter(
    (member) => (!activeOnly || !member.inactive) && (filter === undefined || matches(member, filter)),
  )
  const { text: _text, ...definition } = valueSet.resource
  return {
    ...definition,
    resourceType: 'ValueSet',
    status: definition['status'] ?? 'active',
    expansion: {
      identifier: `urn:uuid:${randomUUID()}`,
      timestamp: now.toISOString(),
      total: members.length,
      offset,
      parameter: [
        ...(filter === undefined ? [] : [{ name: 'filter', valueString: filter }]),
        ...(activeOnly ? [{ name: 'activeOnly', valueBoolean: true }] : []),
        { name: 'count', valueInteger: count },
      ],
      ...containing(members.slice(offset, offset + count)),
    },
  }
}

function containing(members: readonly Member[]): { contains?: object[] } {
  if (members.length === 0) return {}
  return {
    contains: members.map(({ system, code, display, inactive, abstract }) => ({
      system,
      ...(abstract ? { abstract } : {}),
      ...(inactive ? { inactive } : {}),
      code,
      ...(display === undefined ? {} : { display }),
    })),
  }
}

function membersOf(valueSet: ValueSet): readonly Member[] {
  try {
    return valueSet.expand()
  } catch (error) {
    if (!(error instanceof UnknownContent)) throw error
    throw new ConsentryError('invalid', `The value set cannot be expanded here: it needs ${error.message}.`, {
      code: 'not-found',
    })
  }
}

/** Every word of the filter begins a word of the display, or the code. */
function matches({ code, display = '' }: Member, filter: string): boolean {
  const words = (text: string): string[] => text.toLowerCase().split(/[^\p{L}\p{N}]+/u)
  const shown = [...words(display), code.toLowerCase()]
  return words(filter).every((word) => shown.some((one) => one.startsWith(word)))
}

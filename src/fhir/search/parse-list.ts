import { splitEscaped } from './escape.js'
import { type ClauseContext, tooManyValues } from './parse-clause.js'
import { parseReferenceValue } from './parse-reference-value.js'
import type { Clause } from '../../clauses/clause.js'
import { Refusal } from './refusal.js'
import { searchParametersOf } from './table.js'

/**
 * `_list=42`: what the List with that id refers to (https://hl7.org/fhir/R4/search.html#list), which is a reverse chain through `List.item`. A list that
 * the caller may not see lists nothing to it.
 *
 * @throws Refusal for functional lists (`$current-problems`): which entries are current is for clinicians to say, and R4 leaves it open
 */
export function parseList(_type: string, _name: string, value: string, context: ClauseContext): Clause | undefined {
  const texts = splitEscaped(value, ',').filter((text) => text !== '')
  if (texts.length === 0) return undefined
  if (texts.some((text) => text.startsWith('$'))) {
    throw new Refusal(
      'not-supported',
      'takes ids of Lists here; functional lists such as $current-problems are not served',
    )
  }
  context.budget.values -= texts.length
  if (context.budget.values < 0) throw tooManyValues(context.limits)
  const source = searchParametersOf('List').get('source')
  if (source === undefined) throw new Refusal('not-supported', 'is not served: R4 has no List.source here')
  const ids = texts.map((text) => {
    const { types, id } = parseReferenceValue(
      text,
      { ...source, targets: ['List'] },
      undefined,
      undefined,
      context.base,
    )
    if (id === undefined || types?.[0] !== 'List') throw new Refusal('value', 'must be the id of a List, or List/[id]')
    return { code: id }
  })
  return { is: 'has', type: 'List', param: 'item', clause: { is: 'filter', param: '_id', kind: 'token', values: ids } }
}

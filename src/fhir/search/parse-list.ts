import { splitEscaped, unescape } from './escape.js'
import { type ClauseContext, tooManyValues } from './parse-clause.js'
import { parseReferenceValue } from './parse-reference-value.js'
import type { Clause, TokenValue } from '../../clauses/clause.js'
import { Refusal } from './refusal.js'
import { searchParametersOf } from './table.js'

/**
 * `_list=42`: what the List with that id refers to (https://hl7.org/fhir/R4/search.html#list), which is a reverse chain through `List.item`. A list that
 * the caller may not see lists nothing to it. `_list=$current-problems`: what Lists of that function refer to (https://hl7.org/fhir/R4/lifecycle.html#lists).
 *
 * @throws Refusal for functional lists that no List here is known to be
 */
export function parseList(_type: string, _name: string, value: string, context: ClauseContext): Clause | undefined {
  const texts = splitEscaped(value, ',').filter((text) => text !== '')
  if (texts.length === 0) return undefined
  context.budget.values -= texts.length
  if (context.budget.values < 0) throw tooManyValues(context.limits)
  const [functions, ids] = [texts.map(unescape).filter(isFunction), texts.filter((text) => !isFunction(unescape(text)))]
  const lists = [...(ids.length === 0 ? [] : [identified(ids, context)]), ...functions.map(functional)]
  const [only] = lists
  const clause: Clause = lists.length === 1 && only !== undefined ? only : { is: 'any', clauses: lists }
  return { is: 'has', type: 'List', param: 'item', clause }
}

function identified(texts: readonly string[], { base }: ClauseContext): Clause {
  const source = searchParametersOf('List').get('source')
  if (source === undefined) throw new Refusal('not-supported', 'is not served: R4 has no List.source here')
  const ids = texts.map((text) => {
    const { types, id } = parseReferenceValue(text, { ...source, targets: ['List'] }, undefined, undefined, base)
    if (id === undefined || types?.[0] !== 'List') throw new Refusal('value', 'must be the id of a List, or List/[id]')
    return { code: id }
  })
  return { is: 'filter', param: '_id', kind: 'token', values: ids }
}

const isFunction = (text: string): boolean => text.startsWith('$')

/** R4's example codes for List.code, https://hl7.org/fhir/R4/valueset-list-example-codes.html */
const USES = 'http://terminology.hl7.org/CodeSystem/list-example-use-codes'
const LOINC = 'http://loinc.org'

/** By function, the codes that say so of a List; LOINC's are those of the sections of the same name, and that of R4's own example of current allergies. */
const CODES: Readonly<Record<string, readonly TokenValue[]>> = {
  '$current-problems': [
    { system: USES, code: 'problems' },
    { system: LOINC, code: '11450-4' },
  ],
  '$current-medications': [
    { system: USES, code: 'medications' },
    { system: LOINC, code: '10160-0' },
  ],
  '$current-allergies': [
    { system: USES, code: 'allergies' },
    { system: LOINC, code: '48765-2' },
    { system: LOINC, code: '52472-8' },
  ],
}

/** R4 has no code for it, and allergies whose category nobody wrote would be missing where they were filtered by it. */
const DRUGS = '$current-drug-allergies'

/**
 * Which entries are current is for clinicians to say, and they do so in the List that is in force (`status` current) and worked on (`mode` working): "the
 * master list, maintained in an ongoing fashion". What is a snapshot, as of a discharge, stays current as a document and says nothing about today.
 */
function functional(name: string): Clause {
  const codes = Object.hasOwn(CODES, name) ? CODES[name] : undefined
  if (codes === undefined) {
    throw new Refusal(
      'not-supported',
      `names a functional list of which no code of a List tells${name === DRUGS ? '; ask $current-allergies, whose entries say what they are allergies to (category)' : ''}; served are ids of Lists, ${Object.keys(CODES).join(', ')}`,
    )
  }
  if (!searchParametersOf('List').has('mode')) {
    throw new Refusal(
      'not-supported',
      'takes ids of Lists here: without the parameter mode of List none is known to be current',
    )
  }
  const token = (param: string, values: readonly TokenValue[]): Clause => ({
    is: 'filter',
    param,
    kind: 'token',
    values,
  })
  return {
    is: 'all',
    clauses: [token('status', [{ code: 'current' }]), token('mode', [{ code: 'working' }]), token('code', codes)],
  }
}

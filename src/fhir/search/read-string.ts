import type { Element, Finding, Readers } from './finding.js'
import { normaliseString, uriAncestors, wordsOf } from './normalise.js'

export const readString: Readers = {
  string: (value, found) => string(found, value),
  markdown: (value, found) => string(found, value),
  familyName: name,
  HumanName: humanName,
  Address: (value, found) => strings(found, value as Element, ADDRESS, string),
}

export const readUri: Readers = { uri, url: uri, oid: uri, uuid: uri, canonical }

/** "The search covers the elements of type string, and does not cover elements such as use and period." */
const ADDRESS = ['text', 'line', 'city', 'district', 'state', 'postalCode', 'country']

function string(found: Finding, value: unknown): void {
  if (typeof value === 'string' && value !== '') {
    found.out.push({ param: found.param, kind: 'string', value, normal: normaliseString(value) })
  }
}

/** "For robust search, servers should search the parts of a family name independently." */
function name(value: unknown, found: Finding): void {
  if (typeof value !== 'string' || value === '') return
  const normal = normaliseString(value)
  found.out.push({ param: found.param, kind: 'string', value, normal })
  // the first word is found as the beginning of the whole
  for (const word of wordsOf(normal).slice(1)) {
    found.out.push({ param: found.param, kind: 'string', value: word, normal: word, word: true })
  }
}

function humanName(value: unknown, found: Finding): void {
  strings(found, value as Element, ['text', 'family', 'given'], (_, part) => name(part, found))
  strings(found, value as Element, ['prefix', 'suffix'], string)
}

function strings(
  found: Finding,
  element: Element,
  parts: string[],
  use: (found: Finding, part: unknown) => void,
): void {
  for (const part of parts) {
    const value = element[part]
    if (Array.isArray(value)) for (const each of value) use(found, each)
    else if (value !== undefined) use(found, value)
  }
}

function uri(value: unknown, found: Finding): void {
  if (typeof value !== 'string') return
  const within = uriAncestors(value.split('|')[0] ?? '')
  found.out.push({
    param: found.param,
    kind: 'uri',
    value,
    ...(within.length === 0 ? {} : { within }),
    ...(found.sort === undefined ? {} : { sort: found.sort }),
  })
}

/** A canonical with a version is found with and without it. */
function canonical(value: unknown, found: Finding): void {
  uri(value, found)
  if (typeof value === 'string' && value.includes('|')) {
    uri(value.slice(0, value.indexOf('|')), { ...found, sort: undefined })
  }
}

import type { Element, Finding, Readers } from './finding.js'
import { foldContactPoint, foldText } from './normalise.js'

export const readToken: Readers = {
  boolean: (value, found) => token(found, undefined, typeof value === 'boolean' ? String(value) : undefined),
  code: (value, found) => token(found, found.extra, text(value)),
  id: (value, found) => token(found, undefined, text(value)),
  uri: (value, found) => token(found, undefined, text(value)),
  string: (value, found) => token(found, undefined, folded(value)),
  ContactPoint: (value, found) => token(found, undefined, contactPoint((value as Element)['value'])),
  Coding: coding,
  CodeableConcept: codeableConcept,
  Identifier: identifier,
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function folded(value: unknown): string | undefined {
  return typeof value === 'string' ? foldText(value) : undefined
}

function contactPoint(value: unknown): string | undefined {
  return typeof value === 'string' ? foldContactPoint(value) : undefined
}

function token(found: Finding, system: string | undefined, code: string | undefined, display?: string): void {
  if (code === undefined && system === undefined && display === undefined) return
  found.out.push({
    param: found.param,
    kind: 'token',
    ...(system === undefined ? {} : { system }),
    ...(code === undefined ? {} : { code }),
    ...(display === undefined ? {} : { text: display }),
  })
}

function coding(value: unknown, found: Finding): void {
  const { system, code, display } = value as Element
  token(found, text(system), text(code), text(display))
}

function codeableConcept(value: unknown, found: Finding): void {
  const concept = value as Element
  if (Array.isArray(concept['coding'])) for (const each of concept['coding']) coding(each, found)
  if (typeof concept['text'] === 'string') token(found, undefined, undefined, concept['text'])
}

/** Values of identifiers keep their case: `aB1` and `Ab1` may be two people, and conditional create asks here. */
function identifier(value: unknown, found: Finding): void {
  const { system, value: code, type } = value as Element
  token(found, text(system), text(code), text((type as Element | undefined)?.['text']))
}

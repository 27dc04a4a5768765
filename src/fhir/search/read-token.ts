import type { Element, Finding, Readers } from './finding.js'
import { foldContactPoint, foldText, textWords } from './normalise.js'

export const readToken: Readers = {
  boolean: (value, found) => simple(found, undefined, typeof value === 'boolean' ? String(value) : undefined),
  code: (value, found) => simple(found, found.extra, text(value)),
  id: (value, found) => simple(found, undefined, text(value)),
  uri: (value, found) => simple(found, undefined, text(value)),
  string: (value, found) => simple(found, undefined, folded(value)),
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

/** One primitive. */
function simple(found: Finding, system: string | undefined, code: string | undefined): void {
  if (code !== undefined) token(found, system, code)
}

function token(
  found: Finding,
  system: string | undefined,
  code: string | undefined,
  display?: string,
  types: readonly { system: string; code: string }[] = [],
): void {
  if (code === undefined && system === undefined && display === undefined) return
  found.out.push({
    param: found.param,
    kind: 'token',
    ...(system === undefined ? {} : { system }),
    ...(code === undefined ? {} : { code }),
    ...(display === undefined ? {} : { words: textWords(display) }),
    ...(types.length === 0 ? {} : { types }),
    ...(found.sort === undefined || code === undefined ? {} : { sort: found.sort }),
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
  const { coding, text: name } = (type ?? {}) as Element
  const types = (Array.isArray(coding) ? coding : []).flatMap((each: Element | null) => {
    const { system: of, code: kind } = each ?? {}
    return typeof of === 'string' && typeof kind === 'string' ? [{ system: of, code: kind }] : []
  })
  token(found, text(system), text(code), text(name), types)
}

import type { Element, Finding, Readers } from './finding.js'
import { versionsAround } from './canonical.js'
import { referenceTarget } from './reference-target.js'

export const readReference: Readers = {
  Reference: reference,
  canonical,
  uri: (value, found) => {
    if (typeof value === 'string') found.out.push({ param: found.param, kind: 'reference', url: value })
  },
  Resource: nested,
}

/**
 * Literal and logical part of a Reference. Fragments and conditional references point to nothing that could be
 * searched. With `where(resolve() is T)` only references are kept that are known to point to a T.
 */
function reference(value: unknown, found: Finding): void {
  const { reference: literal, type: named, identifier } = value as Element
  const target = typeof literal === 'string' ? referenceTarget(literal, found.base) : undefined
  const type = target?.type ?? (typeof named === 'string' ? named : undefined)
  if (found.extra !== undefined && type !== found.extra) return
  const logical = identifierOf(identifier)
  // a contained resource is nothing to search for, yet the parameter is not missing
  if (target === undefined && logical === undefined && typeof literal !== 'string') return
  const literalPart = target ?? (type === undefined ? {} : { type })
  found.out.push({ param: found.param, kind: 'reference', ...literalPart, ...(logical ? { identifier: logical } : {}) })
}

function identifierOf(identifier: unknown): { system?: string; value: string } | undefined {
  if (typeof identifier !== 'object' || identifier === null) return undefined
  const { system, value } = identifier as Element
  if (typeof value !== 'string') return undefined
  return typeof system === 'string' ? { system, value } : { value }
}

function canonical(value: unknown, found: Finding): void {
  if (typeof value !== 'string') return
  const bar = value.indexOf('|')
  const [url, version] = bar < 0 ? [value, ''] : [value.slice(0, bar), value.slice(bar + 1)]
  const within = version === '' ? undefined : versionsAround(version).map((each) => `${url}|${each}`)
  found.out.push({
    param: found.param,
    kind: 'reference',
    ...(bar < 0 ? { url } : { url, version }),
    ...(within === undefined ? {} : { within }),
  })
}

/** A resource inside of another, as the first entry of a document Bundle. */
function nested(value: unknown, found: Finding): void {
  const { resourceType: type, id } = value as Element
  if (typeof type !== 'string' || typeof id !== 'string' || !found.targets.includes(type)) return
  found.out.push({ param: found.param, kind: 'reference', type, id })
}

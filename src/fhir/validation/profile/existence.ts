import { parseReference } from '../../references.js'
import type { Judgement } from './judgement.js'
import { isMap } from './match.js'

/**
 * For documents that must be whole: every reference that is relative, contained or a URN has its target in the document.
 * R4 does not demand this of resources in general (https://hl7.org/fhir/R4/references.html#integrity leaves it to the server).
 */
export function checkTargetsExist(value: unknown, judgement: Judgement): void {
  const { walk } = judgement
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      walk.enter(index)
      checkTargetsExist(item, judgement)
      walk.leave()
    }
    return
  }
  if (!isMap(value) || !walk.spend(1)) return
  if (typeof value['resourceType'] === 'string') walk.inResource(value, () => checkProperties(value, judgement))
  else checkProperties(value, judgement)
}

function checkProperties(value: Readonly<Record<string, unknown>>, judgement: Judgement): void {
  const { walk } = judgement
  const { reference } = value
  if (typeof reference === 'string') {
    const { kind } = parseReference(reference)
    const inside = kind === 'relative' || kind === 'contained' || kind === 'urn'
    if (inside && judgement.resolve(reference) === undefined) {
      walk.error('not-found', 'there is no such resource in this document.')
    }
  }
  for (const key in value) {
    if (typeof value[key] !== 'object') continue
    walk.enter(key)
    checkTargetsExist(value[key], judgement)
    walk.leave()
  }
}

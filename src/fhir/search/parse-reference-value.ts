import { isResourceType } from '../definitions/structures.js'
import { splitEscaped, unescape } from './escape.js'
import type { Modifier, ReferenceValue } from '../../clauses/clause.js'
import { isCanonical } from './canonical.js'
import { referenceTarget } from './reference-target.js'
import { Refusal } from './refusal.js'
import type { SearchParameter } from './table.js'

const ID = /^[A-Za-z0-9\-.]{1,64}$/

/**
 * `[id]`, `[type]/[id]`, an absolute URL or, for a canonical, `url|version`. `only` is the type of a
 * `:[type]` modifier; `base` is the FHIR base of this server, whose absolute URLs are its own resources.
 */
export function parseReferenceValue(
  text: string,
  parameter: SearchParameter,
  modifier: Modifier | undefined,
  only: string | undefined,
  base: string | undefined,
): ReferenceValue {
  if (modifier === 'identifier') return { identifier: identifierOf(text) }
  if (isCanonical(parameter)) {
    if (modifier === 'above')
      throw new Refusal('not-supported', 'has no modifier :above; R4 gives canonicals :below alone')
    const [url = '', version] = splitEscaped(text, '|').map(unescape)
    return version === undefined || version === '' ? { url } : { url, version }
  }
  if (modifier === 'above' || modifier === 'below') {
    throw new Refusal(
      'not-supported',
      `cannot be asked with :${modifier} here: it goes through a hierarchy of references, which servers need not ("servers indicate that :above/:below is supported" in the definition of a parameter); ask for each step with a chain, such as location.partof`,
    )
  }
  const value = unescape(text)
  if (ID.test(value)) {
    const types = only === undefined ? parameter.targets : [only]
    return { types, id: value }
  }
  const target = referenceTarget(value, base)
  if (target === undefined) {
    throw new Refusal('value', 'is not a reference: write an id, Type/id or an absolute URL')
  }
  if ('url' in target) return { url: target.url }
  const { type, id, version } = target
  // subject:Group=Patient/1 is a condition that nothing fulfils, not a mistake of form
  const types = only === undefined || only === type ? [type] : []
  return { types, id, ...(version === undefined ? {} : { version }) }
}

function identifierOf(text: string): { system?: string | null; code?: string } {
  const parts = splitEscaped(text, '|').map(unescape)
  const [system = '', value = ''] = parts
  if (parts.length === 1) return { code: system }
  if (parts.length > 2 || (system === '' && value === '')) {
    throw new Refusal('value', 'is not an identifier: write value, system|value, |value or system|')
  }
  return { system: system === '' ? null : system, ...(value === '' ? {} : { code: value }) }
}

/** The type of a `:[type]` modifier if the parameter can point to it. */
export function typeModifier(modifier: string, parameter: SearchParameter): string | undefined {
  return parameter.kind === 'reference' && isResourceType(modifier) && parameter.targets.includes(modifier)
    ? modifier
    : undefined
}

import type { Resource } from './types.js'

/** True for a JSON object that is a resource by its three common elements; whether it is a valid one, `validate` says. */
export function isResource(value: unknown): value is Resource {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const { resourceType, id, meta } = value as Record<string, unknown>
  return typeof resourceType === 'string' && isAbsentOr('string', id) && isAbsentOr('object', meta) && meta !== null
}

function isAbsentOr(type: 'string' | 'object', element: unknown): boolean {
  return element === undefined || (typeof element === type && !Array.isArray(element))
}

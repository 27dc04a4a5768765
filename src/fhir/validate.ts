import { ConsentryError, type Issue } from '../errors.js'
import type { ValidResource } from './types.js'
import { objectCheck } from './validation/compile-type.js'
import { checkResource } from './validation/resource-check.js'
import { Walk } from './validation/walk.js'

export type Validation =
  | { readonly resource: ValidResource; readonly issues: readonly Issue[] }
  | { readonly resource?: never; readonly issues: readonly Issue[] }

export interface ValidationOptions {
  /** Also run the rules that R4 marks as warnings; they never refuse a resource. */
  readonly warnings?: boolean
  /** Refuse what looks like markup in a string: clients have rendered it as HTML. R4 does not forbid it. */
  readonly markup?: 'allow' | 'refuse'
}

/**
 * Checks a parsed JSON value against R4: structure, cardinality, types, formats, choices, primitive extensions,
 * required bindings, targets of references, contained resources, narrative and the invariants of the base
 * specification, in nested resources as well. All issues are collected (up to 100), each with its FHIRPath, the
 * rule and what would be right; none quotes a value. Never throws, whatever the value is.
 *
 * `resource` is there, the same object, if no issue is an error.
 */
export function validate(value: unknown, options: ValidationOptions = {}): Validation {
  const walk = new Walk(options.warnings === true, options.markup === 'refuse')
  const type = (value as { resourceType?: unknown } | null | undefined)?.resourceType
  walk.enter(typeof type === 'string' && /^[A-Z][A-Za-z]{1,40}$/.test(type) ? type : 'Resource')
  checkResource(value, walk, objectCheck)
  walk.leave()
  const issues = walk.result()
  return issues.some((issue) => issue.severity === 'error') ? { issues } : { resource: value as ValidResource, issues }
}

/** Like `validate`, for callers that can only go on with a valid resource. @throws ConsentryError `malformed` with all issues */
export function validOrThrow(value: unknown): ValidResource {
  const { resource, issues } = validate(value)
  if (resource !== undefined) return resource
  throw new ConsentryError('malformed', 'The resource is not valid FHIR R4.', { issues: [...issues] })
}

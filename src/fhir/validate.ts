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
  const walk = begin(value, options)
  checkResource(value, walk, objectCheck)
  return ended(value, walk)
}

/** How long entries of a Bundle are checked before others have their turn. */
const TURN_MS = 5

/**
 * Like `validOrThrow`, for a Bundle that may be large: between the resources in it `pause` is awaited every few
 * milliseconds, so that the event loop is held by one resource at most. The value must not be changed meanwhile.
 *
 * @throws ConsentryError `malformed` with all issues, those of the Bundle itself first
 */
export async function validInTurnsOrThrow(value: unknown, pause: () => Promise<unknown>): Promise<ValidResource> {
  const walk = begin(value, {})
  walk.later = []
  checkResource(value, walk, objectCheck)
  let turn = performance.now()
  // a Bundle in a Bundle adds its own while it is checked
  for (const { steps, value: inner } of walk.later) {
    walk.goTo(steps)
    checkResource(inner, walk, objectCheck)
    if (performance.now() - turn < TURN_MS) continue
    await pause()
    turn = performance.now()
  }
  return resourceIn(ended(value, walk))
}

function begin(value: unknown, options: ValidationOptions): Walk {
  const walk = new Walk(options.warnings === true, options.markup === 'refuse')
  const type = (value as { resourceType?: unknown } | null | undefined)?.resourceType
  walk.enter(typeof type === 'string' && /^[A-Z][A-Za-z]{1,40}$/.test(type) ? type : 'Resource')
  return walk
}

function ended(value: unknown, walk: Walk): Validation {
  const issues = walk.result()
  return issues.some((issue) => issue.severity === 'error') ? { issues } : { resource: value as ValidResource, issues }
}

/** Like `validate`, for callers that can only go on with a valid resource. @throws ConsentryError `malformed` with all issues */
export function validOrThrow(value: unknown): ValidResource {
  return resourceIn(validate(value))
}

function resourceIn({ resource, issues }: Validation): ValidResource {
  if (resource !== undefined) return resource
  throw new ConsentryError('malformed', 'The resource is not valid FHIR R4.', { issues: [...issues] })
}

import { GraphQLError } from 'graphql'
import type { GraphqlRequestState } from './request.js'
import type { GraphqlResource } from './table.js'

const RESTFUL = /^(?:(.+)\/)?([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/[A-Za-z0-9\-.]{1,64})?$/

export interface ResourceArguments {
  readonly optional?: boolean | null
  readonly type?: string | null
}

/**
 * The `resource` of a Reference: "If the server cannot resolve the reference (e.g. resource does not exist, or
 * user security rights or choices do not permit resource to be seen), and optional is not true, the server
 * returns an error". A reference that is known to point to another `type` is not even read.
 */
export async function resolveReference<Context>(
  element: { readonly reference?: unknown },
  { optional, type }: ResourceArguments,
  state: GraphqlRequestState<Context>,
): Promise<GraphqlResource | undefined> {
  const { reference } = element
  if (typeof reference !== 'string') return missing(optional)
  if (reference.startsWith('#')) return wanted(contained(reference, state.containerOf(element)), type, optional)
  const [, base, target, id] = RESTFUL.exec(reference) ?? []
  if (target === undefined || id === undefined) return missing(optional)
  if (base !== undefined && base !== state.source.base) return missing(optional)
  if (type != null && type !== target) return undefined
  return wanted(await state.loader.load({ type: target, id }), type, optional)
}

function contained(reference: string, container: GraphqlResource | undefined): GraphqlResource | undefined {
  if (reference === '#') return container
  const resources = container?.['contained'] as readonly GraphqlResource[] | undefined
  return resources?.find(({ id }) => id === reference.slice(1))
}

function wanted(
  found: GraphqlResource | undefined,
  type: string | null | undefined,
  optional: boolean | null | undefined,
): GraphqlResource | undefined {
  if (found === undefined) return missing(optional)
  return type != null && found.resourceType !== type ? undefined : found
}

/** One answer for all reasons: which of them it was is nobody's business. */
function missing(optional: boolean | null | undefined): undefined {
  if (optional === true) return undefined
  throw new GraphQLError('The reference cannot be resolved here; ask with resource(optional: true) to go on without.', {
    extensions: { code: 'not-found' },
  })
}

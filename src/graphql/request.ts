import { Filters } from './filters.js'
import { ReferenceLoader } from './reference-loader.js'
import type { GraphqlResource, GraphqlSource } from './table.js'

/**
 * State of one request, made by `runGraphql`; the context that resolvers and plugins get. Apollo hands out a copy of
 * its properties, which a field with # would not survive.
 */
export class GraphqlRequestState<Context> {
  readonly loader: ReferenceLoader<Context>
  readonly filters = new Filters()
  /** Reference elements that point into the resource that contains them. */
  private readonly containers = new WeakMap<object, GraphqlResource>()

  /** @param instanceType of the resource in which the query starts */
  constructor(
    readonly source: GraphqlSource<Context>,
    readonly context: Context,
    readonly instanceType?: string,
  ) {
    this.loader = new ReferenceLoader(source, context)
  }

  /** Remembers where `#id` references of a resource lead; costs nothing for resources that contain none. */
  enter(resource: GraphqlResource): GraphqlResource {
    if (Array.isArray(resource['contained'])) this.register(resource, resource)
    return resource
  }

  containerOf(reference: object): GraphqlResource | undefined {
    return this.containers.get(reference)
  }

  private register(node: unknown, container: GraphqlResource): void {
    if (typeof node !== 'object' || node === null) return
    const { reference } = node as { reference?: unknown }
    if (typeof reference === 'string' && reference.startsWith('#')) this.containers.set(node, container)
    for (const child of Object.values(node)) this.register(child, container)
  }
}

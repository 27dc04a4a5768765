interface Identified {
  readonly resourceType: string
  readonly id: string
}

/** A transaction that puts each of them at its id. */
export function transactionOf(resources: readonly Identified[]): object {
  const entry = resources.map((resource) => ({
    request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` },
    resource,
  }))
  return { resourceType: 'Bundle', type: 'transaction', entry }
}

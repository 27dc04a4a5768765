import { ConsentryError } from '../../errors.js'
import { compartments } from '../definitions/structures.js'
import type { Clause } from '../../clauses/clause.js'
import { searchParametersOf } from './table.js'

/** The owner of a compartment, as the URL of a search names it. */
export interface Compartment {
  readonly type: string
  readonly id: string
}

/** The owner types that R4 defines compartments of, https://hl7.org/fhir/R4/compartmentdefinition.html */
export function compartmentTypes(): string[] {
  return Object.keys(compartments())
}

/** The types that have resources in the compartments of such owners. */
export function typesInCompartment(owner: string): string[] {
  return Object.keys(compartments()[owner] ?? {})
}

/**
 * A resource of `type` is in the compartment: by one of the parameters of the CompartmentDefinition it refers to the owner. Whether the owner
 * exists is not asked: nothing refers to one that does not.
 *
 * @throws ConsentryError `malformed` for a type that no such compartment holds
 */
export function compartmentClause({ type: owner, id }: Compartment, type: string): Clause {
  const params = compartments()[owner]?.[type]
  if (params === undefined) {
    throw new ConsentryError('malformed', `A compartment of ${owner} holds no ${type}.`, {
      code: 'not-supported',
      expression: ['http.path'],
    })
  }
  const clauses = params.map((param): Clause => {
    if (param === '{def}') return { is: 'filter', param: '_id', kind: 'token', values: [{ code: id }] }
    return { is: 'filter', param, kind: 'reference', values: [{ types: [owner], id }] }
  })
  const unknown = params.find((param) => param !== '{def}' && !searchParametersOf(type).has(param))
  if (unknown === undefined) return { is: 'any', clauses }
  throw new ConsentryError('internal', `${type} has no search parameter ${unknown}, which its compartment needs.`)
}

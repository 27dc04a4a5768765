import { addressed } from './addressed.js'
import { capabilities } from './capabilities.js'
import { create } from './create.js'
import { withDefinitions } from './definitions.js'
import { deleteResource } from './delete.js'
import { historyInstance, historySystem, historyType } from './history.js'
import type { FhirInteractions, Handler } from './interaction.js'
import { structures } from '../fhir/definitions/structures.js'
import { operation, type OperationTable } from './operations.js'
import type { GatewayParts } from './parts.js'
import { patch } from './patch.js'
import { read, vread } from './read.js'
import { refused } from './refused.js'
import { searchCompartment, searchSystem, searchType } from './search.js'
import { transaction } from './transaction.js'
import { update } from './update.js'

/** Every interaction that is served, by the specification's names; the CapabilityStatement is built from this table. */
export function interactionsOf(parts: GatewayParts, operations: OperationTable): FhirInteractions {
  const of = (run: Handler): Handler => addressed(parts, run)
  const interactions: FhirInteractions = {
    types: new Set(structures().resources),
    capabilities: capabilities(parts, () => interactions, operations),
    read: of(withDefinitions(parts, read(parts))),
    vread: of(vread(parts)),
    'history-instance': of(historyInstance(parts)),
    'history-type': of(historyType(parts)),
    'history-system': historySystem(parts),
    create: of(create(parts)),
    update: of(update(parts)),
    patch: of(patch(parts)),
    delete: of(deleteResource(parts)),
    'search-type': of(searchType(parts)),
    'search-system': searchSystem(parts),
    'search-compartment': searchCompartment(parts),
    transaction: transaction(parts, () => interactions),
    operation: operation(parts, operations),
    refused: refused(parts),
  }
  return interactions
}

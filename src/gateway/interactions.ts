import { capabilities } from './capabilities.js'
import { create } from './create.js'
import { withDefinitions } from './definitions.js'
import { deleteResource } from './delete.js'
import { historyInstance, historySystem, historyType } from './history.js'
import type { FhirInteractions } from './interaction.js'
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
  const interactions: FhirInteractions = {
    types: new Set(structures().resources),
    capabilities: capabilities(parts, () => interactions, operations),
    read: withDefinitions(parts, read(parts)),
    vread: vread(parts),
    'history-instance': historyInstance(parts),
    'history-type': historyType(parts),
    'history-system': historySystem(parts),
    create: create(parts),
    update: update(parts),
    patch: patch(parts),
    delete: deleteResource(parts),
    'search-type': searchType(parts),
    'search-system': searchSystem(parts),
    'search-compartment': searchCompartment(parts),
    transaction: transaction(parts, () => interactions),
    operation: operation(parts, operations),
    refused: refused(parts),
  }
  return interactions
}

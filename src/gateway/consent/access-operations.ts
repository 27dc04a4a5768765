import type { OperationTable } from '../operations.js'
import type { GatewayParts } from '../parts.js'
import { accept, refuse, withdraw } from './answer-request.js'
import { type AccessParts, breakGlass } from './break-glass.js'
import { claim } from './claim.js'
import { emergencyVeto } from './emergency-veto.js'
import { requestAccess } from './request-access.js'
import { review } from './review.js'

/**
 * Who asks for access and who takes it: `$break-glass` opens a record in an emergency, `$emergency-veto` forbids that, `$review` is the second
 * person's word on it. `$request-access` asks the patient, who answers by `$accept` or `$refuse` of the Task; `$withdraw` takes the request back. `$claim` ends a custody.
 */
export function accessOperations(parts: GatewayParts, access: AccessParts): OperationTable {
  return {
    'Patient/$break-glass': breakGlass(parts, access),
    'Patient/[id]/$break-glass': breakGlass(parts, access),
    'Patient/[id]/$emergency-veto': emergencyVeto(parts, access),
    'Patient/[id]/$claim': claim(parts, access),
    'Patient/$request-access': requestAccess(parts, access),
    'Patient/[id]/$request-access': requestAccess(parts, access),
    'Task/[id]/$accept': accept(parts, access),
    'Task/[id]/$refuse': refuse(parts, access),
    'Task/[id]/$withdraw': withdraw(parts, access),
    'Task/[id]/$review': review(parts, access),
  }
}

import type { OperationTable } from '../operations.js'
import type { GatewayParts } from '../parts.js'
import { type AccessParts, breakGlass } from './break-glass.js'
import { emergencyVeto } from './emergency-veto.js'
import { review } from './review.js'

/**
 * Who asks for access and who takes it: `$break-glass` opens a record in an emergency, `$emergency-veto` forbids that, `$review` is the second
 * person's word on it.
 */
export function accessOperations(parts: GatewayParts, access: AccessParts): OperationTable {
  return {
    'Patient/$break-glass': breakGlass(parts, access),
    'Patient/[id]/$break-glass': breakGlass(parts, access),
    'Patient/[id]/$emergency-veto': emergencyVeto(parts, access),
    'Task/[id]/$review': review(parts, access),
  }
}

import { requireScope } from '../../auth/allows.js'
import type { Party } from '../../consent/parties.js'
import { ConsentryError } from '../../errors.js'
import type { Hex } from '../../ledger/hex.js'
import { ContractRefusal } from '../../ledger/refusal.js'
import { relayCall, typedData, walletPayload } from '../../ledger/typed-data.js'
import type { AuditedHandler } from '../audited.js'
import { recordAccess } from '../disclose.js'
import type { InteractionRequest } from '../interaction.js'
import { operationInput } from '../operation-input.js'
import type { GatewayParts } from '../parts.js'
import { askedPatient, requireNotices, requireOwnClient } from './asked-patient.js'
import { authorisationOf, openAuthorisation } from './authorisation.js'
import type { AccessParts } from './break-glass.js'
import { carryOut } from './carry-out.js'
import { dataToSign } from './data-to-sign.js'
import { SIGNING_SECONDS } from './request.js'
import { signatureOf } from './signature.js'

/**
 * `Patient/[id]/$claim`: a patient in custody takes its key into a wallet; from then on the wallet alone decides. Both sides agree: the wallet by
 * its signature, the custodian by sending, on a document in which the patient asks for it. Without a signature the data to sign is
 * answered. Everything that was signed before and not relayed is void by it; grants stay, so that care goes on.
 */
export function claim(parts: GatewayParts, access: AccessParts): AuditedHandler {
  return async (request, trail) => {
    requireScope(request.principal, 'Patient', 'read')
    requireOwnClient(parts, request, 'hands over the patients in its custody')
    const controller = controllerIn(request)
    const asked = askedOf(parts, request)
    const { id } = await askedPatient(parts, request, trail)
    await requireNotices(parts, request, id)
    const patient = await access.mirror.party(id)
    requireHeld(parts, patient)
    if (asked !== null) await openAuthorisation(parts, request, trail, patient, null, asked.authorised)
    // Durable before the ledger is told.
    await recordAccess(parts, request, trail, { interaction: '$claim' })
    const message = {
      party: id,
      controller,
      nonce: await access.reader.read('IdentityRegistry', 'nonces', id),
      deadline: BigInt(asked?.deadline ?? Math.floor(parts.clock() / 1000) + SIGNING_SECONDS),
    }
    if (asked === null) {
      return dataToSign(walletPayload(typedData(access.contracts, 'ChangeController', message)))
    }
    // A contract wallet signs as it likes (ERC-1271), so the contract judges the signature.
    const call = relayCall(access.contracts, 'ChangeController', message, asked.signature)
    await carryOut(access, call).catch((error: unknown) => {
      throw error instanceof ContractRefusal && error.is('NotAuthorised') ? notTheWallets() : error
    })
    const custodian = await access.reader.read('IdentityRegistry', 'custodianOf', id)
    const parameter = [
      { name: 'controller', valueString: await access.reader.read('IdentityRegistry', 'controllerOf', id) },
      { name: 'custody', valueBoolean: /[^0x]/.test(custodian) },
    ]
    return { status: 200, headers: {}, body: { resourceType: 'Parameters', parameter } }
  }
}

function controllerIn(request: InteractionRequest): Hex {
  const [controller = ''] = operationInput(request).strings('controller')
  if (/^0x[0-9a-fA-F]{40}$/.test(controller)) return controller.toLowerCase() as Hex
  throw new ConsentryError('invalid', 'The controller must be the address of the wallet, 0x and 40 hex digits.', {
    code: 'value',
    expression: ['Parameters.parameter:controller'],
  })
}

/** `null`: the data to sign is asked for. A signature alone is not enough: anybody has a wallet. */
function askedOf(parts: GatewayParts, request: InteractionRequest) {
  const input = operationInput(request)
  const [reference] = input.references('authorisation')
  if (input.strings('signature').length === 0) return null
  const { by, deadline } = signatureOf(request)
  if (by.signature === null) return null
  if (reference === undefined) {
    throw new ConsentryError(
      'invalid',
      'Name the document in which the patient asks for this as parameter authorisation: the signature tells whose wallet it is, and not whose patient.',
      { code: 'required', expression: ['Parameters.parameter:authorisation'] },
    )
  }
  return { signature: by.signature, deadline, authorised: authorisationOf(parts, request, reference) }
}

/** @throws ConsentryError `conflict` */
function requireHeld({ entity }: GatewayParts, patient: Party | null): asserts patient is Party {
  if (patient !== null && patient.controller === null && patient.parent === entity) return
  throw new ConsentryError(
    'conflict',
    'The patient is not in our custody: who holds the key hands it over on the ledger, without this gateway.',
  )
}

function notTheWallets(): ConsentryError {
  return new ConsentryError('invalid', 'The signature is not that of this wallet over the data of $claim.', {
    code: 'security',
    expression: ['Parameters.parameter:signature'],
  })
}

import type { Party } from '../../consent/parties.js'
import { ConsentryError } from '../../errors.js'
import type { Hex } from '../../ledger/hex.js'
import type { InteractionRequest } from '../interaction.js'
import { operationInput } from '../operation-input.js'

/** What `$sign` and `$revoke` are given: a signature, or a reference to the document that authorises the wallet service to make one. */
export interface Signature {
  readonly by: { readonly signature: Hex } | { readonly signature: null; readonly authorisation: string }
  /** Seconds since the epoch. */
  readonly deadline: number | null
}

/** @throws ConsentryError `malformed` */
export function signatureOf(request: InteractionRequest): Signature {
  const input = operationInput(request)
  const [signature] = input.strings('signature')
  if (signature !== undefined && !/^0x(?:[0-9a-fA-F]{2}){1,4096}$/.test(signature)) {
    throw new ConsentryError('malformed', 'The signature must be 0x and an even number of hex digits.', {
      expression: ['Parameters.parameter:signature'],
    })
  }
  const [deadline] = input.strings('deadline')
  if (deadline !== undefined && !/^\d{1,12}$/.test(deadline)) {
    throw new ConsentryError('malformed', 'The deadline must be seconds since 1970.', {
      expression: ['Parameters.parameter:deadline'],
    })
  }
  const [authorisation] = input.references('authorisation')
  const by =
    signature !== undefined
      ? { signature: signature as Hex }
      : authorisation === undefined
        ? null
        : { signature: null, authorisation }
  if (by === null) {
    throw new ConsentryError(
      'invalid',
      'Name the document in which the patient authorises this as parameter authorisation, for a patient in custody; or give the patient’s signature as parameter signature.',
      { code: 'required', expression: ['Parameters.parameter:signature', 'Parameters.parameter:authorisation'] },
    )
  }
  return { by, deadline: deadline === undefined ? null : Number(deadline) }
}

export function requireSigner(patient: Party, signer: string | null): void {
  if (signer !== null && signer === patient.controller) return
  throw new ConsentryError('invalid', 'The signature is not that of the patient’s account over this data.', {
    code: 'security',
    expression: ['Parameters.parameter:signature'],
  })
}

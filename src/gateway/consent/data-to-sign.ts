import type { walletPayload } from '../../ledger/typed-data.js'
import type { InteractionResponse } from '../interaction.js'

/** What a wallet is to sign (EIP-712), as the answer of an operation. */
export function dataToSign(
  payload: ReturnType<typeof walletPayload>,
  more: readonly object[] = [],
): InteractionResponse {
  const parameter = [...more, { name: 'typedData', valueString: JSON.stringify(payload) }]
  return { status: 200, headers: {}, body: { resourceType: 'Parameters', parameter } }
}

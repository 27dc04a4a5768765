import { recoverAddress, TypedDataEncoder, type TypedDataDomain, type TypedDataField } from 'ethers'
import type { Writes } from './abi.js'
import type { Call, ContractName, Contracts } from './contracts.js'
import type { Hex } from './hex.js'

type ConsentWrites = Writes['ConsentRegistry']
export type Grant = ConsentWrites['grantSigned'][0]
export type Revocation = ConsentWrites['revokeSigned'][0]
export type Delegation = ConsentWrites['delegateSigned'][0]

/** What is signed, by the name of its EIP-712 type. Times are unix seconds. */
export interface SignedActions {
  Grant: Grant
  Revocation: Revocation
  RevokeAll: { patient: Hex; nonce: bigint; deadline: number }
  Delegation: Delegation
  RevokeDelegation: { patient: Hex; delegate: Hex; labels: readonly Hex[]; nonce: bigint; deadline: number }
  DelegatedGrant: { delegate: Hex; consent: Grant }
  RefuseAccess: { patient: Hex; request: Hex; deadline: number }
  EmergencyVeto: { patient: Hex; vetoed: boolean; nonce: bigint; deadline: number }
  ChangeController: { party: Hex; controller: Hex; nonce: bigint; deadline: bigint }
  SetGuardian: { party: Hex; guardian: Hex; nonce: bigint; deadline: bigint }
  CancelRecovery: { party: Hex; nonce: bigint; deadline: bigint }
  ExpectProviders: { patient: Hex; commitments: readonly Hex[]; nonce: bigint; deadline: bigint }
}

export type SignedAction = keyof SignedActions

/** EIP-712 encodeType strings, as in the natspec of contracts/interfaces; a test holds them against the Solidity. */
const GRANT =
  'bytes32 patient,bytes32 grantee,bytes32[] labels,uint8 actions,uint32 purposes,uint64 categories,uint40 from,uint40 to,bytes32 packageHash,bytes32 policyHash,uint64 nonce,uint40 deadline'
const FIELDS: Readonly<Record<SignedAction, string>> = {
  Grant: GRANT,
  Revocation: 'bytes32 patient,bytes32 grantee,bytes32[] labels,uint8 actions,uint64 nonce,uint40 deadline',
  RevokeAll: 'bytes32 patient,uint64 nonce,uint40 deadline',
  Delegation:
    'bytes32 patient,bytes32 delegate,bytes32[] labels,uint8 actions,uint32 purposes,uint64 categories,uint40 from,uint40 to,uint64 nonce,uint40 deadline',
  RevokeDelegation: 'bytes32 patient,bytes32 delegate,bytes32[] labels,uint64 nonce,uint40 deadline',
  DelegatedGrant: 'bytes32 delegate,Grant consent',
  RefuseAccess: 'bytes32 patient,bytes32 request,uint40 deadline',
  EmergencyVeto: 'bytes32 patient,bool vetoed,uint64 nonce,uint40 deadline',
  ChangeController: 'bytes32 party,address controller,uint256 nonce,uint256 deadline',
  SetGuardian: 'bytes32 party,address guardian,uint256 nonce,uint256 deadline',
  CancelRecovery: 'bytes32 party,uint256 nonce,uint256 deadline',
  ExpectProviders: 'bytes32 patient,bytes32[] commitments,uint256 nonce,uint256 deadline',
}

export const SIGNED_ACTIONS = Object.keys(FIELDS) as readonly SignedAction[]

const IDENTITY_ACTIONS: readonly SignedAction[] = [
  'ChangeController',
  'SetGuardian',
  'CancelRecovery',
  'ExpectProviders',
]

type Types = Record<string, TypedDataField[]>

/** EIP-712 data, https://eips.ethereum.org/EIPS/eip-712: what a wallet shows and signs. */
export interface TypedData<A extends SignedAction = SignedAction> {
  readonly domain: TypedDataDomain
  readonly types: Types
  readonly primaryType: A
  readonly message: SignedActions[A] & object
}

/** The contract that verifies the action, and so the domain of its signatures. */
export function verifierOf(action: SignedAction): ContractName {
  return IDENTITY_ACTIONS.includes(action) ? 'IdentityRegistry' : 'ConsentRegistry'
}

export function typedData<A extends SignedAction>(
  contracts: Contracts,
  action: A,
  message: SignedActions[A],
): TypedData<A> {
  const verifier = verifierOf(action)
  const domain = {
    name: `Consentry ${verifier}`,
    version: '1',
    chainId: contracts.chainId,
    verifyingContract: contracts.addresses[verifier],
  }
  return { domain, types: typesOf(action), primaryType: action, message }
}

/** The struct types of an action, itself first. */
export function typesOf(action: SignedAction): Types {
  const types: Types = { [action]: fieldsOf(FIELDS[action]) }
  if (action === 'DelegatedGrant') types['Grant'] = fieldsOf(GRANT)
  return types
}

/** The 32 bytes that are signed. */
export function digestOf(data: TypedData): Hex {
  return TypedDataEncoder.hash(data.domain, data.types, { ...data.message }) as Hex
}

/** JSON for `eth_signTypedData_v4` of a wallet. */
export function walletPayload(data: TypedData): unknown {
  return TypedDataEncoder.getPayload(data.domain, data.types, { ...data.message })
}

/** An ethers Wallet, or a custodial signer of the same form. */
export interface TypedDataSigner {
  signTypedData(domain: TypedDataDomain, types: Types, value: Record<string, unknown>): Promise<string>
}

/** 65 bytes, r s v; `s` in the lower half, as the contracts demand. */
export async function signTypedData(signer: TypedDataSigner, data: TypedData): Promise<Hex> {
  return (await signer.signTypedData(data.domain, data.types, { ...data.message })) as Hex
}

/**
 * The plain account that signed, lower case; `null` for what the contracts would not take as its signature: other than 65
 * bytes, v other than 27 and 28, s in the upper half. Contract accounts (ERC-1271) can only be asked on chain.
 */
export function signerOf(data: TypedData, signature: Hex): Hex | null {
  if (!/^0x[0-9a-f]{128}1[bc]$/i.test(signature)) return null
  try {
    return recoverAddress(digestOf(data), signature).toLowerCase() as Hex
  } catch {
    return null
  }
}

function fieldsOf(text: string): TypedDataField[] {
  return text.split(',').map((field) => {
    const [type = '', name = ''] = field.split(' ')
    return { type, name }
  })
}

/** The transaction that relays a signed action; anyone may send it. */
export function relayCall<A extends SignedAction>(
  contracts: Contracts,
  action: A,
  message: SignedActions[A],
  signature: Hex,
): Call {
  return RELAYS[action](contracts, message, signature)
}

type Relay<A extends SignedAction> = (contracts: Contracts, message: SignedActions[A], signature: Hex) => Call

const RELAYS: { readonly [A in SignedAction]: Relay<A> } = {
  Grant: (c, m, s) => c.write('ConsentRegistry', 'grantSigned', m, s),
  Revocation: (c, m, s) => c.write('ConsentRegistry', 'revokeSigned', m, s),
  RevokeAll: (c, m, s) => c.write('ConsentRegistry', 'revokeAllSigned', m.patient, m.nonce, m.deadline, s),
  Delegation: (c, m, s) => c.write('ConsentRegistry', 'delegateSigned', m, s),
  RevokeDelegation: (c, m, s) =>
    c.write('ConsentRegistry', 'revokeDelegationSigned', m.patient, m.delegate, m.labels, m.nonce, m.deadline, s),
  DelegatedGrant: (c, m, s) => c.write('ConsentRegistry', 'grantAsDelegateSigned', m.delegate, m.consent, s),
  RefuseAccess: (c, m, s) => c.write('ConsentRegistry', 'refuseAccessSigned', m.request, m.deadline, s),
  EmergencyVeto: (c, m, s) =>
    c.write('ConsentRegistry', 'setEmergencyVetoSigned', m.patient, m.vetoed, m.nonce, m.deadline, s),
  // Sent by the other side of the two that must agree; see IIdentityRegistry.changeController.
  ChangeController: (c, m, s) =>
    c.write('IdentityRegistry', 'changeController', m.party, m.controller, m.deadline, '0x', s),
  SetGuardian: (c, m, s) => c.write('IdentityRegistry', 'setGuardianSigned', m.party, m.guardian, m.deadline, s),
  CancelRecovery: (c, m, s) => c.write('IdentityRegistry', 'cancelRecoverySigned', m.party, m.deadline, s),
  ExpectProviders: (c, m, s) =>
    c.write('IdentityRegistry', 'expectProvidersSigned', m.patient, m.commitments, m.deadline, s),
}

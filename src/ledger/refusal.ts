import { AbiCoder, type ErrorFragment } from 'ethers'
import { ConsentryError, type ErrorKind, type IssueCode } from '../errors.js'
import { CONTRACT_NAMES, interfaceOf } from './contracts.js'
import { fieldsFromAbi } from './abi-values.js'
import type { Errors } from './abi.js'
import type { Hex } from './hex.js'
import { RpcError } from './rpc.js'

type AllErrors = Errors[keyof Errors]
/** Names of all custom errors of the five contracts. */
export type RefusalName = AllErrors extends infer E ? (E extends unknown ? keyof E & string : never) : never

/** A contract reverted. `reason` is the name of its custom error, `null` when it gave none that we know. */
export class ContractRefusal extends ConsentryError {
  constructor(
    kind: ErrorKind,
    diagnostics: string,
    readonly reason: RefusalName | null,
    readonly args: Readonly<Record<string, unknown>>,
    options: { code?: IssueCode; retryAfterSeconds?: number } = {},
  ) {
    super(kind, diagnostics, options)
  }

  /** Narrows `args` to those of one error. */
  is<N extends RefusalName>(name: N): this is ContractRefusal & { readonly args: ArgsOf<N> } {
    return this.reason === name
  }
}

type ArgsOf<N extends RefusalName> = AllErrors extends infer E ? (E extends Record<N, infer A> ? A : never) : never
type Row<A> = [ErrorKind, IssueCode, string | ((args: A) => string)]

/** What each custom error means to the caller. Complete: a test holds it against the ABIs. */
export const REFUSALS: { readonly [N in RefusalName]: Row<ArgsOf<N>> } = {
  AlreadyAnchored: [
    'conflict',
    'duplicate',
    ({ sequence, next }) => `Batch ${sequence} is anchored already; the next number is ${next}.`,
  ],
  AlreadyRegistered: ['conflict', 'duplicate', 'This id is registered already.'],
  AlreadyRequested: ['conflict', 'duplicate', 'This access has been requested already.'],
  BeyondDelegation: ['forbidden', 'forbidden', 'The grant goes beyond what the patient has delegated.'],
  DecidedByPatient: ['forbidden', 'forbidden', 'The patient has decided this itself; a delegate cannot replace it.'],
  EmergencyLimitReached: ['throttled', 'throttled', 'The entity has broken the glass as often as it may today.'],
  EmergencyVetoed: ['forbidden', 'forbidden', 'The patient has forbidden emergency access.'],
  EmptyBatch: ['invalid', 'value', 'An anchor needs at least one record.'],
  EmptyLog: ['invalid', 'value', 'An audit head needs at least one entry.'],
  GlassAlreadyBroken: ['conflict', 'duplicate', 'Emergency access to this patient is open already.'],
  GranteeNotActive: ['invalid', 'business-rule', 'The grantee is not an active party of the ledger.'],
  GrantsArePaused: ['unavailable', 'transient', 'The administrator has paused grants; revocations are accepted.'],
  InconsistentHead: ['integrity', 'exception', 'The audit head does not extend the published one.'],
  InvalidActions: ['invalid', 'value', 'The set of actions is empty or holds one that cannot be granted.'],
  InvalidCategories: ['invalid', 'value', 'The set of categories is empty.'],
  InvalidController: ['invalid', 'value', 'The account cannot be the controller of this party.'],
  InvalidEncryptionKey: ['invalid', 'value', 'An encryption key is a compressed secp256k1 point of 33 bytes.'],
  InvalidEndpoint: ['invalid', 'value', 'The endpoint is not usable.'],
  InvalidId: ['invalid', 'value', 'A party id is 32 random bytes, not zero.'],
  InvalidLabels: ['invalid', 'value', 'A decision names 1 to 64 labels.'],
  InvalidNonce: [
    'conflict',
    'conflict',
    ({ expected, given }) =>
      `The signature carries number ${given}, the ledger expects ${expected}: it was used, voided by a revocation, or signed out of order. Sign again.`,
  ],
  InvalidPeriod: ['invalid', 'value', 'The period must end after it begins, and in the future.'],
  InvalidPurposes: ['invalid', 'value', 'The set of purposes is empty or holds one that cannot be granted.'],
  InvalidReceiptKey: ['invalid', 'value', 'A receipt key is a compressed secp256k1 point of 33 bytes.'],
  InvalidShortString: ['internal', 'exception', 'The contract was built with a name that is too long.'],
  InvalidSignature: ['forbidden', 'security', "The signature is not that of the party's present controller."],
  InvalidStatus: ['conflict', 'business-rule', 'This change of status is not allowed.'],
  InvalidSuccessor: ['invalid', 'value', 'The successor is not a contract.'],
  InvalidValidity: ['invalid', 'value', 'The validity must end after it begins.'],
  LengthMismatch: ['invalid', 'value', 'The lists of one call must have the same length.'],
  NoRecovery: ['not-found', 'not-found', 'No recovery has been proposed for this party.'],
  NotADelegate: ['forbidden', 'forbidden', 'This party is no delegate of the patient.'],
  NotAProxy: ['invalid', 'business-rule', 'This party is not an active proxy.'],
  NotAdministrator: ['forbidden', 'forbidden', 'Only the administrator may do this.'],
  NotAnExtension: [
    'conflict',
    'conflict',
    ({ size, published }) => `An audit head of size ${size} does not extend the published one of size ${published}.`,
  ],
  NotAnnounced: ['not-found', 'not-found', 'This proxy is not announced.'],
  NotAuthorised: ['forbidden', 'forbidden', 'The account does not speak for this party on the ledger.'],
  NotConsentRegistry: ['forbidden', 'forbidden', 'Only the consent registry may do this.'],
  NotController: ['forbidden', 'forbidden', "Only the proxy's controller may do this."],
  NotExpected: ['forbidden', 'security', 'What was submitted does not match the commitment.'],
  NotIdentityRegistry: ['forbidden', 'forbidden', 'Only the identity registry may do this.'],
  NotOperator: ['forbidden', 'forbidden', 'The account does not operate this entity, or the entity is not active.'],
  OutOfSequence: [
    'conflict',
    'conflict',
    ({ sequence, next }) => `Batch ${sequence} cannot be anchored before batch ${next}.`,
  ],
  ReasonRequired: ['invalid', 'required', 'Emergency access needs the hash of its reason.'],
  RecoveryNotDue: [
    'conflict',
    'conflict',
    ({ executableFrom }) => `The recovery can be completed from ${time(executableFrom)} on.`,
  ],
  RelayRefused: ['conflict', 'business-rule', ({ reason }) => `The relayed grant does not hold: ${nameOf(reason)}.`],
  RetiredInFavourOf: [
    'gone',
    'business-rule',
    ({ successor }) => `This contract has been retired in favour of ${successor}.`,
  ],
  SignatureExpired: [
    'forbidden',
    'expired',
    ({ deadline }) => `The signature could be relayed until ${time(deadline)}.`,
  ],
  StringTooLong: ['internal', 'exception', 'The contract was built with a name that is too long.'],
  TextAboutPerson: ['invalid', 'value', 'An endpoint is for organisations; the ledger takes no text about a person.'],
  UnknownParty: ['not-found', 'not-found', 'No such party is registered.'],
  UnknownPatient: ['invalid', 'not-found', 'No such patient is registered on the ledger.'],
  UnknownRequest: ['not-found', 'not-found', 'No such access request is open.'],
  WrongKind: ['invalid', 'business-rule', 'The party is of another kind.'],
}

/** Seconds that a caller waits before it tries again what was refused as `unavailable`. */
const PAUSED_RETRY = 300

/** The refusal that revert data stands for. */
export function refusalOf(data: Hex): ContractRefusal {
  for (const name of CONTRACT_NAMES) {
    const fragment = errorFragment(name, data)
    if (!fragment) continue
    const args = fieldsFromAbi(fragment.inputs, interfaceOf(name).decodeErrorResult(fragment, data))
    const row = REFUSALS[fragment.name as RefusalName] as Row<typeof args> | undefined
    if (!row) break
    const [kind, code, text] = row
    const options = kind === 'unavailable' ? { code, retryAfterSeconds: PAUSED_RETRY } : { code }
    const diagnostics = typeof text === 'string' ? text : text(args)
    return new ContractRefusal(kind, diagnostics, fragment.name as RefusalName, args, options)
  }
  return new ContractRefusal('internal', `The contract refused: ${unnamed(data)}.`, null, {})
}

/** The revert inside a node's error answer, `null` when the node complains of something else. */
export function revertIn(error: unknown): ContractRefusal | null {
  if (!(error instanceof RpcError)) return null
  const data = dataIn(error.data)
  if (data && data !== '0x') return refusalOf(data)
  if (error.code === 3 || /revert/i.test(error.message)) return refusalOf('0x')
  return null
}

/** geth, Besu and anvil put the bytes into `data`; others nest them. */
function dataIn(data: unknown): Hex | null {
  if (typeof data === 'string') return (/0x(?:[0-9a-f]{2})*/i.exec(data)?.[0] as Hex | undefined) ?? null
  if (typeof data === 'object' && data !== null && 'data' in data) return dataIn(data.data)
  return null
}

function errorFragment(name: (typeof CONTRACT_NAMES)[number], data: Hex): ErrorFragment | null {
  return data.length >= 10 ? interfaceOf(name).getError(data.slice(0, 10)) : null
}

/** `Error(string)` and `Panic(uint256)` of the Solidity language, else the selector. */
function unnamed(data: Hex): string {
  try {
    if (data.startsWith('0x08c379a0'))
      return String(AbiCoder.defaultAbiCoder().decode(['string'], `0x${data.slice(10)}`)[0])
    if (data.startsWith('0x4e487b71')) return `panic 0x${BigInt(`0x${data.slice(10)}`).toString(16)}`
  } catch {
    // Not what its selector promised.
  }
  return data === '0x' ? 'it gave no reason' : `unknown error ${data.slice(0, 10)}`
}

/** The custom error behind a selector. */
function nameOf(selector: Hex): string {
  for (const name of CONTRACT_NAMES) {
    const found = interfaceOf(name).getError(selector)
    if (found) return found.name
  }
  return selector
}

function time(seconds: number | bigint): string {
  const date = new Date(Number(seconds) * 1000)
  return Number.isNaN(date.getTime()) ? `second ${seconds}` : date.toISOString()
}

import type { ChainEvent } from '../ledger/chain.js'
import { id as keccakOfText } from 'ethers'
import type { PartyId } from './permit.js'

/** A party as the identity registry's events leave it. Times in seconds since the epoch. */
export interface Party {
  readonly id: PartyId
  readonly kind: 'entity' | 'practitioner' | 'patient' | 'proxy'
  readonly status: 'active' | 'suspended' | 'revoked' | 'pending'
  readonly validFrom: number
  readonly validTo: number
  /** `null`: the parent's controller speaks for the party (custody). */
  readonly controller: string | null
  /** The registrar: entity of a practitioner or patient, owner of a proxy. */
  readonly parent: PartyId | null
  /** 33 bytes as hex; `null` for a patient. */
  readonly encryptionKey: string | null
  readonly keyCommitment: string | null
  readonly endpoint: string | null
  readonly operators: readonly string[]
}

/**
 * The grantee that means every active entity: who grants to it grants to whoever the consortium has admitted. It is registered as an
 * entity, so that the contract answers for it as for any other, whose controller nobody can be: no key has that address.
 */
export const ANY_ENTITY = keccakOfText('consentry.party.any-entity') as PartyId
export const ANY_ENTITY_CONTROLLER = `0x${ANY_ENTITY.slice(-40)}` as const

/**
 * Of the parties that a caller acts as, those that count: every active entity is one whose own standing is good, and no practitioner by itself.
 * @param active those of them that are active on the ledger
 */
export function countingParties(entity: PartyId, active: ReadonlySet<PartyId>): Set<PartyId> {
  return new Set([...active].filter((party) => party !== ANY_ENTITY || active.has(entity)))
}

export type PartyEvent = Pick<ChainEvent, 'name' | 'args'>

const ZERO_ADDRESS = `0x${'0'.repeat(40)}`
const OPEN = 2 ** 40 - 1
/** `IIdentityRegistry.Status` by number. */
const STATUS = ['pending', 'active', 'suspended', 'revoked', 'pending'] as const

/** The parameter of each identity event that names the party it is about. */
const SUBJECT: Readonly<Record<string, string>> = {
  EntityRegistered: 'entity',
  ProxyRegistered: 'proxy',
  PractitionerRegistered: 'practitioner',
  PatientRegistered: 'patient',
  PartyAuthenticated: 'party',
  StatusChanged: 'party',
  ValidityChanged: 'party',
  EncryptionKeyChanged: 'party',
  EndpointChanged: 'party',
  OperatorAdded: 'entity',
  OperatorRemoved: 'entity',
  ControllerChanged: 'party',
}

/** The party that an event of the identity registry changes; `null` when it changes nothing that is mirrored. */
export function partyOf(event: PartyEvent): PartyId | null {
  const parameter = SUBJECT[event.name]
  return parameter === undefined ? null : (event.args[parameter] as PartyId)
}

/** Folds all events of one party, in the order of the chain; `null` before its registration. */
export function foldParty(id: PartyId, events: readonly PartyEvent[]): Party | null {
  let party: Party | null = null
  for (const event of events) party = registered(id, event) ?? (party === null ? null : changed(party, event))
  return party
}

function registered(id: PartyId, { name, args }: PartyEvent): Party | null {
  const base = {
    id,
    status: isZero(args['credential']) ? ('active' as const) : ('pending' as const),
    validFrom: Number(args['validFrom'] ?? 0),
    validTo: Number(args['validTo'] ?? OPEN),
    controller: address(args['controller']),
    encryptionKey: text(args['encryptionKey']),
    keyCommitment: null,
    endpoint: text(args['endpoint']),
    operators: [],
  }
  switch (name) {
    case 'EntityRegistered':
      return { ...base, kind: 'entity', parent: null }
    case 'ProxyRegistered':
      return { ...base, kind: 'proxy', parent: partyId(args['owner']) }
    case 'PractitionerRegistered':
      return { ...base, kind: 'practitioner', parent: partyId(args['entity']) }
    case 'PatientRegistered':
      return { ...base, kind: 'patient', parent: partyId(args['entity']), keyCommitment: text(args['keyCommitment']) }
    default:
      return null
  }
}

function changed(party: Party, { name, args }: PartyEvent): Party {
  switch (name) {
    case 'PartyAuthenticated':
      return { ...party, status: 'active' }
    case 'StatusChanged':
      return { ...party, status: STATUS[Number(args['status'])] ?? 'revoked' }
    case 'ValidityChanged':
      return { ...party, validFrom: Number(args['validFrom']), validTo: Number(args['validTo']) }
    case 'EncryptionKeyChanged':
      return { ...party, encryptionKey: text(args['encryptionKey']) }
    case 'EndpointChanged':
      return { ...party, endpoint: text(args['endpoint']) }
    case 'OperatorAdded':
      return { ...party, operators: [...new Set([...party.operators, String(args['operator']).toLowerCase()])] }
    case 'OperatorRemoved':
      return { ...party, operators: party.operators.filter((o) => o !== String(args['operator']).toLowerCase()) }
    case 'ControllerChanged':
      return { ...party, controller: address(args['controller']) }
    default:
      return party
  }
}

function isZero(value: unknown): boolean {
  return typeof value !== 'string' || /^0x0*$/.test(value)
}

function address(value: unknown): string | null {
  const lower = typeof value === 'string' ? value.toLowerCase() : ZERO_ADDRESS
  return lower === ZERO_ADDRESS ? null : lower
}

function partyId(value: unknown): PartyId | null {
  return typeof value !== 'string' || isZero(value) ? null : (value.toLowerCase() as PartyId)
}

function text(value: unknown): string | null {
  const given = typeof value === 'string' ? value : ''
  return given === '' || given === '0x' ? null : given
}

import type { RegisteredClient } from './clients.js'
import { ConsentryError } from '../errors.js'
import type { PartyId } from './principal.js'
import { OWN_SCOPES } from './own-scopes.js'
import { parseScope } from './scopes.js'

const NAMES = ['id', 'jwks', 'scopes', 'entity', 'practitioner', 'patient', 'role', 'purposes'] as const
const ROLES: readonly unknown[] = ['system', 'auditor', 'patient'] satisfies readonly RegisteredClient['role'][]

/** Where a client is registered. */
export interface ClientContext {
  readonly entity: PartyId
  /** Tokens come from somebody else, who knows the client's keys. */
  readonly externalIssuer: boolean
}

/**
 * A client as an operator writes it down. Without `entity` it acts for our own, without `role` as a system; its keys may be absent
 * where another issuer knows them.
 *
 * @throws ConsentryError `malformed` naming what is wrong and what would be right
 */
export function readClient(value: unknown, { entity: own, externalIssuer }: ClientContext): RegisteredClient {
  const given = objectOf(value, 'a client must be an object')
  const unknown = Object.keys(given).find((name) => !NAMES.some((known) => known === name))
  if (unknown !== undefined) throw wrong(`${unknown.slice(0, 40)} is unknown; a client has ${NAMES.join(', ')}`)
  const { id, jwks, scopes, entity = own, practitioner, patient, role = 'system', purposes } = given
  if (typeof id !== 'string' || !/^[\x21-\x7e]{1,200}$/.test(id))
    throw wrong('id must be 1 to 200 letters without space')
  if (!ROLES.includes(role)) throw wrong(`role must be one of ${ROLES.join(', ')}`)
  return {
    id,
    jwks: { keys: jwks === undefined && externalIssuer ? [] : keysOf(jwks) },
    scopes: scopesOf(scopes),
    entity: partyOf(entity, 'entity'),
    role: role as RegisteredClient['role'],
    ...(practitioner === undefined ? {} : { practitioner: partyOf(practitioner, 'practitioner') }),
    ...(patient === undefined ? {} : { patient: patientOf(patient) }),
    ...(purposes === undefined ? {} : { purposes: purposesOf(purposes) }),
  }
}

function keysOf(value: unknown): RegisteredClient['jwks']['keys'] {
  const { keys } = objectOf(value, KEYS)
  if (!Array.isArray(keys) || keys.length === 0) throw wrong(KEYS)
  for (const key of keys as unknown[]) {
    const { kty, crv, kid, n, d } = objectOf(key, KEYS)
    if (d !== undefined)
      throw wrong('jwks must hold public keys alone, and this has a private one: it is not secret any more')
    const fits = kty === 'RSA' ? typeof n === 'string' && n.length >= 342 : kty === 'EC' && crv === 'P-384'
    if (!fits || typeof kid !== 'string') throw wrong(KEYS)
  }
  return keys as RegisteredClient['jwks']['keys']
}

const KEYS = 'jwks must be {"keys": […]} of public keys with a kid, P-384 for ES384 or RSA of 2048 bits for RS384'

function scopesOf(value: unknown): string {
  const list = typeof value === 'string' ? value.split(' ') : []
  if (list.length > 0 && list.every((scope) => OWN_SCOPES.includes(scope) || parseScope(scope) !== null))
    return list.join(' ')
  throw wrong('scopes must be SMART scopes with a space between, such as "system/*.cruds"')
}

function partyOf(value: unknown, name: string): PartyId {
  if (typeof value === 'string' && /^0x[0-9a-f]{64}$/.test(value)) return value as PartyId
  throw wrong(`${name} must be the id of a party on the ledger, 0x and 64 digits of 0-9a-f`)
}

function patientOf(value: unknown): string {
  if (typeof value === 'string' && /^[A-Za-z0-9.-]{1,64}$/.test(value)) return value
  throw wrong('patient must be the logical id of a Patient')
}

function purposesOf(value: unknown): readonly string[] {
  if (Array.isArray(value) && value.length > 0 && value.every((code) => /^[A-Z]{2,20}$/.test(String(code)))) {
    return value as string[]
  }
  throw wrong('purposes must be codes of v3-PurposeOfUse, such as ["TREAT"]')
}

function objectOf(value: unknown, otherwise: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw wrong(otherwise)
}

function wrong(what: string): ConsentryError {
  return new ConsentryError('malformed', `${what}.`)
}

import { ConsentryError } from '../errors.js'
import type { Hex } from '../ledger/hex.js'
import { MAX_CAPSULES, type ReceiptsRequest, type ReencryptionRequest } from './protocol.js'

const ID = /^0x[0-9a-f]{64}$/
const NONCE = /^[A-Za-z0-9_-]{16,128}$/
/** https://hl7.org/fhir/R4/datatypes.html#id */
const LOGICAL_ID = /^[A-Za-z0-9\-.]{1,64}$/
const CATEGORIES = /^\d{1,20}$/
/** A capsule has 105 bytes. */
const CAPSULE = /^[A-Za-z0-9+/]{140}$/

/**
 * The request that a signature is over, exactly of the form that the protocol has: a member of another form could mean
 * one thing to a check here and another to the ledger.
 * @throws ConsentryError `malformed`, `too-large`
 */
export function parseRequest(text: string): ReencryptionRequest {
  const request = parsed(text)
  if (!isObject(request)) throw malformed('a JSON object')
  const { proxy, grantee, purpose, categories, nonce, at, event, items } = request
  if (!isId(proxy)) throw malformed('the id of a proxy')
  if (!isId(grantee)) throw malformed('the id of a grantee')
  if (!isCount(purpose) || purpose > 0xffff_ffff) throw malformed('a purpose mask')
  if (!isText(CATEGORIES, categories)) throw malformed('a category mask')
  if (!isText(NONCE, nonce)) throw malformed('a nonce of 16 to 128 characters')
  if (!isCount(at)) throw malformed('a time in seconds')
  if (!isText(LOGICAL_ID, event)) throw malformed('the id of the AuditEvent that tells of it')
  if (!Array.isArray(items) || items.length === 0) throw malformed('items')
  const parsedItems = (items as unknown[]).map(itemOf)
  const capsules = parsedItems.reduce((sum, item) => sum + item.capsules.length, 0)
  if (capsules > MAX_CAPSULES || items.length > MAX_CAPSULES) {
    throw new ConsentryError('too-large', `A request has at most ${MAX_CAPSULES} items and capsules.`)
  }
  return { proxy, grantee, purpose, categories, nonce, at, event, items: parsedItems }
}

/** As `parseRequest`. @throws ConsentryError `malformed` */
export function parseReceiptsRequest(text: string): ReceiptsRequest {
  const request = parsed(text)
  const needed = (what: string): ConsentryError =>
    new ConsentryError('malformed', `A request for receipts needs ${what}.`)
  if (!isObject(request) || request['asks'] !== 'receipts') throw needed('"asks": "receipts"')
  const { proxy, party, since, nonce, at } = request
  if (!isId(proxy)) throw needed('the id of a proxy')
  if (!isId(party)) throw needed('the id of a party')
  if (!isCount(since)) throw needed('a sequence number in "since"')
  if (!isText(NONCE, nonce)) throw needed('a nonce of 16 to 128 characters')
  if (!isCount(at)) throw needed('a time in seconds')
  return { asks: 'receipts', proxy, party, since, nonce, at }
}

function itemOf(item: unknown): ReencryptionRequest['items'][number] {
  const { patient, label, epoch, capsules } = isObject(item) ? item : {}
  if (!isId(patient) || !isId(label)) throw malformed('a patient and a label in each item')
  if (!isCount(epoch)) throw malformed('an epoch in each item')
  if (!Array.isArray(capsules) || !capsules.every((c) => isText(CAPSULE, c))) throw malformed('capsules in each item')
  return { patient, label, epoch, capsules }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw malformed('JSON')
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isId = (value: unknown): value is Hex => isText(ID, value)
const isText = (form: RegExp, value: unknown): value is string => typeof value === 'string' && form.test(value)
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

function malformed(needed: string): ConsentryError {
  return new ConsentryError('malformed', `A re-encryption request needs ${needed}.`)
}

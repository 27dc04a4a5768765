import { randomBytes } from 'node:crypto'
import type { Wallet } from 'ethers'
import type { PartyId } from '../consent/permit.js'
import { ConsentryError } from '../errors.js'
import {
  type KeyFragDelivery,
  MAX_CAPSULES,
  type ReceiptsRequest,
  type ReceiptsResponse,
  type ReencryptionRequest,
  type ReencryptionResponse,
} from '../proxy/protocol.js'
import { boundedBody } from './bounded-body.js'
import { receiptsOf, type VerifiedReceipt } from './receipts.js'
import { urlBelow } from './url-below.js'

const TIMEOUT = 5_000
/** Bytes; the fragments of half of MAX_CAPSULES fit. */
const RESPONSE_LIMIT = 4 * 1024 * 1024

export interface ProxyAddress {
  readonly id: PartyId
  readonly endpoint: string
}

/** @throws ConsentryError `unavailable` when the proxy does not take the fragment */
export async function deliverKeyFrag({ endpoint }: ProxyAddress, delivery: KeyFragDelivery): Promise<void> {
  await post(urlBelow(endpoint, 'kfrags'), delivery)
}

export type ReencryptionItems = ReencryptionRequest['items']

/** What all proxies of a group are asked alike. */
export interface Asking extends Pick<ReencryptionRequest, 'grantee' | 'purpose' | 'categories' | 'event'> {
  readonly items: ReencryptionItems
}

/** Answers in the order of the items, and what the proxy signed of them. */
export interface Reencrypted {
  readonly results: ReencryptionResponse['results']
  readonly receipts: readonly VerifiedReceipt[]
}

/**
 * Asks one proxy, signed by an account of the grantee; items beyond a request's size are asked for in further requests.
 * @param receiptKey of the proxy, on the ledger
 * @throws ConsentryError `unavailable` when it does not answer, `integrity` for an answer without its receipts
 */
export async function requestReencryption(
  proxy: ProxyAddress,
  receiptKey: Uint8Array,
  { items, ...terms }: Asking,
  operator: Wallet,
): Promise<Reencrypted> {
  const results: ReencryptionResponse['results'][number][] = []
  const receipts: VerifiedReceipt[] = []
  for (const part of portions(items)) {
    const request: ReencryptionRequest = { proxy: proxy.id, ...terms, ...once(), items: part }
    const text = JSON.stringify(request)
    const signed = { request: text, signature: await operator.signMessage(text) }
    const answer = (await post(urlBelow(proxy.endpoint, 'reencrypt'), signed)) as ReencryptionResponse | null
    if (!Array.isArray(answer?.results) || answer.results.length !== part.length || !answer.results.every(isResult)) {
      throw refused('answers another question')
    }
    results.push(...answer.results)
    receipts.push(...receiptsOf({ text, request }, answer, receiptKey))
  }
  return { results, receipts }
}

/** What a proxy says that it did for us, from a number on, and hashes of the rest; as it says it. */
export async function requestReceipts(
  proxy: ProxyAddress,
  party: PartyId,
  since: number,
  operator: Wallet,
): Promise<ReceiptsResponse> {
  const request: ReceiptsRequest = { asks: 'receipts', proxy: proxy.id, party, since, ...once() }
  const text = JSON.stringify(request)
  const answer = await post(urlBelow(proxy.endpoint, 'receipts'), {
    request: text,
    signature: await operator.signMessage(text),
  })
  if (!Array.isArray(answer)) throw refused('answers another question')
  return answer as ReceiptsResponse
}

function once(): { nonce: string; at: number } {
  return { nonce: randomBytes(16).toString('base64url'), at: Math.floor(Date.now() / 1000) }
}

function isResult(result: unknown): boolean {
  if (typeof result !== 'object' || result === null) return false
  const { capsuleFrags, denied } = result as Record<string, unknown>
  return Array.isArray(capsuleFrags) !== (typeof denied === 'string')
}

function* portions(items: ReencryptionItems): Generator<ReencryptionItems> {
  let part: ReencryptionItems[number][] = []
  let capsules = 0
  for (const item of items) {
    if (part.length > 0 && capsules + item.capsules.length > MAX_CAPSULES / 2) {
      yield part
      part = []
      capsules = 0
    }
    part.push(item)
    capsules += item.capsules.length
  }
  if (part.length > 0) yield part
}

async function post(url: string, body: unknown): Promise<unknown> {
  let response: Response
  let bytes: Uint8Array | null
  try {
    response = await fetch(url, {
      method: 'POST',
      // whoever is sent on would call what the proxy cannot reach itself
      redirect: 'error',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT),
    })
    bytes = await boundedBody(response, RESPONSE_LIMIT)
  } catch (cause) {
    throw refused('does not answer', cause)
  }
  if (bytes === null) throw refused('answers too much')
  if (!response.ok) throw refused(`refuses (${response.status})`)
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch (cause) {
    throw refused('answers no JSON', cause)
  }
}

function refused(what: string, cause?: unknown): ConsentryError {
  return new ConsentryError('unavailable', `A re-encryption proxy ${what}.`, { cause, retryAfterSeconds: 5 })
}

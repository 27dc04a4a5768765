import { randomBytes } from 'node:crypto'
import type { Wallet } from 'ethers'
import type { PartyId } from '../consent/permit.js'
import { ConsentryError } from '../errors.js'
import {
  type KeyFragDelivery,
  MAX_CAPSULES,
  type ReencryptionRequest,
  type ReencryptionResponse,
} from '../proxy/protocol.js'
import { boundedBody } from './bounded-body.js'

const TIMEOUT = 5_000
/** Bytes; the fragments of half of MAX_CAPSULES fit. */
const RESPONSE_LIMIT = 4 * 1024 * 1024

export interface ProxyAddress {
  readonly id: PartyId
  readonly endpoint: string
}

/** @throws ConsentryError `unavailable` when the proxy does not take the fragment */
export async function deliverKeyFrag({ endpoint }: ProxyAddress, delivery: KeyFragDelivery): Promise<void> {
  await post(`${endpoint}/kfrags`, delivery)
}

export type ReencryptionItems = ReencryptionRequest['items']

/** Asks one proxy, signed by an account of the grantee; items beyond a request's size are asked for in further requests. */
export async function requestReencryption(
  proxy: ProxyAddress,
  grantee: PartyId,
  terms: Pick<ReencryptionRequest, 'purpose' | 'categories'>,
  items: ReencryptionItems,
  operator: Wallet,
): Promise<ReencryptionResponse['results']> {
  const results: ReencryptionResponse['results'][number][] = []
  for (const part of portions(items)) {
    const request = JSON.stringify({
      proxy: proxy.id,
      grantee,
      ...terms,
      nonce: randomBytes(16).toString('base64url'),
      at: Math.floor(Date.now() / 1000),
      items: part,
    } satisfies ReencryptionRequest)
    const signature = await operator.signMessage(request)
    const answer = (await post(`${proxy.endpoint}/reencrypt`, { request, signature })) as ReencryptionResponse | null
    if (!Array.isArray(answer?.results) || answer.results.length !== part.length)
      throw refused('answers another question')
    results.push(...answer.results)
  }
  return results
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

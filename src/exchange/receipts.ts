import { ConsentryError } from '../errors.js'
import {
  CLOCK_SKEW,
  digestOf,
  type Receipt,
  receiptHash,
  receiptText,
  type ReencryptionRequest,
  type ReencryptionResponse,
} from '../proxy/protocol.js'
import { PublicKey } from '../vault/pre/index.js'

const ID = /^0x[0-9a-f]{64}$/
const DIGEST = /^[A-Za-z0-9+/]{43}=$/
const EVENT = /^[A-Za-z0-9\-.]{0,64}$/
const SIGNATURE = /^[A-Za-z0-9+/]{86}==$/
const KINDS: ReadonlySet<unknown> = new Set<Receipt['kind']>(['stored', 'reencrypted', 'denied', 'deleted'])
const MEMBERS = 12

/** A receipt whose form was looked at, and nothing else. @throws ConsentryError `integrity` */
export function parseReceipt(value: unknown): Receipt {
  if (!isReceipt(value)) throw wrong('is not of the form that the protocol has')
  return value
}

function isReceipt(value: unknown): value is Receipt {
  if (typeof value !== 'object' || value === null || Object.keys(value).length !== MEMBERS) return false
  const { sequence, kind, proxy, patient, grantee, label, request, event, capsules, at, previous, signature } =
    value as Record<string, unknown>
  return (
    isCount(sequence) &&
    isCount(at) &&
    KINDS.has(kind) &&
    [proxy, patient, grantee, label].every((id) => matches(ID, id)) &&
    [request, previous].every((digest) => digest === '' || matches(DIGEST, digest)) &&
    matches(EVENT, event) &&
    Array.isArray(capsules) &&
    capsules.every((capsule) => matches(DIGEST, capsule)) &&
    matches(SIGNATURE, signature)
  )
}

/** A receipt that its proxy signed: only `verify` makes one. */
export class VerifiedReceipt {
  /** base64 */
  readonly hash: string

  private constructor(readonly receipt: Receipt) {
    this.hash = receiptHash(receipt)
  }

  /** @param key the proxy's receipt key on the ledger. @throws ConsentryError `integrity` */
  static verify(value: unknown, proxy: string, key: Uint8Array): VerifiedReceipt {
    const receipt = parseReceipt(value)
    if (receipt.proxy !== proxy) throw wrong('is of another proxy')
    if (!isSignedBy(receipt, key)) throw wrong('is not signed by its proxy')
    return new VerifiedReceipt(receipt)
  }
}

/** Whether the key signed it; false too for a key that is none. */
export function isSignedBy(receipt: Receipt, key: Uint8Array): boolean {
  try {
    const signature = new Uint8Array(Buffer.from(receipt.signature, 'base64'))
    return PublicKey.fromBytes(key).verify(signature, Buffer.from(receiptText(receipt)))
  } catch {
    return false
  }
}

/** A request as it was signed and sent. */
export interface SentRequest {
  readonly text: string
  readonly request: ReencryptionRequest
}

/**
 * The receipts of an answer: signed by the proxy, of this request, following one another, and naming each capsule under what became of
 * it, no other and none twice.
 * @param key the proxy's receipt key on the ledger
 * @throws ConsentryError `integrity` for an answer that has not exactly these
 */
export function receiptsOf(
  { text, request }: SentRequest,
  { results, receipts }: ReencryptionResponse,
  key: Uint8Array,
): VerifiedReceipt[] {
  if (!Array.isArray(receipts) || receipts.length > request.items.length) throw wrong('is missing')
  const verified = (receipts as unknown[]).map((receipt) => VerifiedReceipt.verify(receipt, request.proxy, key))
  const digest = digestOf(text)
  verified.forEach(({ receipt }, i) => {
    if (receipt.request !== digest || receipt.event !== request.event || receipt.grantee !== request.grantee) {
      throw wrong('is of another request')
    }
    if (Math.abs(receipt.at - request.at) > 2 * CLOCK_SKEW) throw wrong('is of another time')
    const before = verified[i - 1]
    if (before && (receipt.sequence !== before.receipt.sequence + 1 || receipt.previous !== before.hash)) {
      throw wrong('does not follow the one before')
    }
  })
  const named = verified.flatMap(({ receipt: { kind, patient, label, capsules } }) =>
    capsules.map((capsule) => `${kind}|${patient}|${label}|${capsule}`),
  )
  const due = new Set(request.items.flatMap((item, i) => deedsOf(item, results[i])))
  if (named.length !== due.size || !named.every((name) => due.delete(name))) {
    throw wrong('names other capsules than were answered')
  }
  return verified
}

function deedsOf(
  { patient, label, capsules }: ReencryptionRequest['items'][number],
  result: ReencryptionResponse['results'][number] | undefined,
): string[] {
  const kind = result !== undefined && 'capsuleFrags' in result ? 'reencrypted' : 'denied'
  return capsules.map((capsule) => `${kind}|${patient}|${label}|${digestOf(Buffer.from(capsule, 'base64'))}`)
}

function matches(form: RegExp, value: unknown): boolean {
  return typeof value === 'string' && form.test(value)
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function wrong(what: string): ConsentryError {
  return new ConsentryError('integrity', `A receipt of a re-encryption proxy ${what}.`)
}

/** A receipt with what can be asked of it, for whoever compares them with something. @throws ConsentryError `integrity` */
export function readReceipt(value: unknown): Receipt & { readonly hash: string; isSignedBy(key: Uint8Array): boolean } {
  const receipt = parseReceipt(value)
  return { ...receipt, hash: receiptHash(receipt), isSignedBy: (key) => isSignedBy(receipt, key) }
}

/** What a proxy tells of its chain: receipts that concern us, of the others number and hash. @throws ConsentryError `integrity` */
export function readChain(
  told: readonly unknown[],
): (ReturnType<typeof readReceipt> | { readonly sequence: number; readonly hash: string })[] {
  return told.map((link) => {
    const { sequence, hash } = (link ?? {}) as Record<string, unknown>
    if (hash === undefined) return readReceipt(link)
    if (!isCount(sequence) || !matches(DIGEST, hash)) throw wrong('is neither that nor a hash of one')
    return { sequence: sequence as number, hash: hash as string }
  })
}

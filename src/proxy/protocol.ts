import { createHash } from 'node:crypto'

/**
 * What gateways and proxies say to one another, JSON over HTTP. Bytes are base64, ids of the ledger are `0x` and hex,
 * times are seconds since the epoch.
 */
type Hex = `0x${string}`

/** POST /kfrags: a patient's fragment for one grantee and policy key. 201, or a refusal with `error`. */
export interface KeyFragDelivery {
  readonly patient: Hex
  readonly grantee: Hex
  /** bytes32 label of the ledger. */
  readonly label: Hex
  readonly epoch: number
  /** 33 bytes each. */
  readonly policyKey: string
  readonly verifyingKey: string
  readonly receivingKey: string
  /** Random; a proxy takes a delivery once. */
  readonly nonce: string
  /** Seconds; from then on no proxy takes it, and none takes one that is further away than DELIVERY_LIFE. */
  readonly deadline: number
  /** The fragment, sealed to the proxy's encryption key for `keyFragPurpose` of the delivery. */
  readonly keyFrag: string
}

/** How long a delivery is good for, seconds. */
export const DELIVERY_LIFE = 120

/**
 * What a fragment is sealed for. It binds all that a proxy files it under, and nonce and deadline: whoever recorded a
 * delivery cannot open it, and so cannot give it another of them.
 */
export function keyFragPurpose(delivery: Omit<KeyFragDelivery, 'keyFrag'>): string {
  const { patient, grantee, label, epoch, policyKey, nonce, deadline } = delivery
  return JSON.stringify(['consentry key fragment', patient, grantee, label, epoch, policyKey, nonce, deadline])
}

/** POST /reencrypt, POST /receipts */
export interface SignedRequest {
  /** JSON of a ReencryptionRequest or ReceiptsRequest: the signature is over exactly this text. */
  readonly request: string
  /** EIP-191 signature of `request` by an account that speaks for the grantee or party. */
  readonly signature: Hex
}

export interface ReencryptionRequest {
  readonly proxy: Hex
  readonly grantee: Hex
  /** Purpose and category bits of the contract's `check`. */
  readonly purpose: number
  readonly categories: string
  /** Random; a proxy answers it once. */
  readonly nonce: string
  readonly at: number
  /** Logical id of the AuditEvent in which the grantee tells of this request; the receipts name it. */
  readonly event: string
  readonly items: readonly {
    readonly patient: Hex
    readonly label: Hex
    readonly epoch: number
    readonly capsules: readonly string[]
  }[]
}

export interface ReencryptionResponse {
  /** In the order of the items: fragments in the order of their capsules, or why not. */
  readonly results: readonly ({ readonly capsuleFrags: readonly string[] } | { readonly denied: string })[]
  /** Of this request: what was re-encrypted and what was denied, for each patient and label, consecutive. */
  readonly receipts: readonly Receipt[]
}

/** What a proxy has done, signed and chained: `previous` is the hash of the receipt before, so none can be taken out. */
export interface Receipt {
  readonly sequence: number
  readonly kind: 'stored' | 'reencrypted' | 'denied' | 'deleted'
  readonly proxy: Hex
  readonly patient: Hex
  readonly grantee: Hex
  readonly label: Hex
  /** `digestOf` the signed request's text, of a delivery's `keyFragPurpose`; empty where nobody asked. */
  readonly request: string
  /** That of the request. */
  readonly event: string
  /** `digestOf` each capsule that was re-encrypted or denied. */
  readonly capsules: readonly string[]
  readonly at: number
  readonly previous: string
  /** ECDSA over SHA-256 of the receipt's text without this member, compact, base64. */
  readonly signature: string
}

/** The text that a receipt's signature and the chain are over. */
export function receiptText({
  signature: _,
  ...receipt
}: Receipt | (Omit<Receipt, 'signature'> & { signature?: string })): string {
  const { sequence, kind, proxy, patient, grantee, label, request, event, capsules, at, previous } = receipt
  return JSON.stringify([sequence, kind, proxy, patient, grantee, label, request, event, capsules, at, previous])
}

/** SHA-256 in base64, as receipts name what they are about. */
export function digestOf(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('base64')
}

export function receiptHash(receipt: Receipt): string {
  return createHash('sha256').update(receiptText(receipt)).update(receipt.signature).digest('base64')
}

/** POST /receipts, signed as a re-encryption is: a party asks for what a proxy did that concerns it. */
export interface ReceiptsRequest {
  /** So that a signature for one question is none for another. */
  readonly asks: 'receipts'
  readonly proxy: Hex
  /** The patient or grantee of the receipts; the signer must speak for it. */
  readonly party: Hex
  /** First sequence number. */
  readonly since: number
  readonly nonce: string
  readonly at: number
}

/** In the order of the chain. Of what concerns others only the hash, with which the chain can be followed. */
export type ReceiptsResponse = readonly (Receipt | { readonly sequence: number; readonly hash: string })[]

/** How far the clock of a grantee may be off, seconds. */
export const CLOCK_SKEW = 60
/** Most capsules of one request. */
export const MAX_CAPSULES = 1_000

/** GET /: who the proxy is; also printed when it is ready. */
export interface ProxyIdentity {
  readonly id: Hex
  readonly controller: Hex
  readonly encryptionKey: Hex
  readonly receiptKey: Hex
  readonly endpoint: string
}

import { Permit, type RecordSubject } from '../consent/permit.js'
import { ConsentryError } from '../errors.js'
import { aeadOpen } from './aead.js'
import { requireBlock, requireDigest, sha256 } from './cid.js'
import { decodeEnvelope, type Envelope } from './envelope.js'
import { unpad } from './padding.js'
import { decodePayload, type Payload, recordTag, type RecordVersion, saltOf } from './payload.js'
import { capsuleOfRow, isSealedRow, openRow } from './row-seal.js'
import { additionalData, keyEncryptionKey, openChunks, unwrapDek } from './sealing.js'
import { isSignedBy } from './signatures.js'

/** A sealed record as it was fetched. */
export interface SealedRecord {
  readonly subject: RecordSubject
  /** The record it must be; absent when it is only learned by opening (a feed of another entity). */
  readonly record?: RecordVersion
  /** CID of the envelope; `null` for a body that lies in its row. */
  readonly cid: string | null
  readonly envelope: Uint8Array
  /** The raw blocks that the envelope links, in order; see `chunksOf`. */
  readonly chunks?: readonly Uint8Array[]
}

/** What opening needs besides: never kept, asked for each capsule and author. */
export interface OpeningKeys {
  /** The key of a capsule. @throws if it is not at hand */
  capsuleKey(capsule: Uint8Array): Uint8Array
  /**
   * The key of a capsule under which we seal rows of our own; absent where none are expected.
   * @throws if it is not at hand, or is for records
   */
  rowKey?(capsule: Uint8Array): Uint8Array
  /** 33-byte keys that the author signs or signed with. */
  authorKeys(author: Uint8Array): readonly Uint8Array[]
}

/** A permit is for the request it was decided for; one that was kept longer is void. Milliseconds. */
export const PERMIT_LIFETIME = 5 * 60_000

/** CIDs of the blocks that an envelope needs besides itself. */
export function chunksOf(envelope: Uint8Array): string[] {
  return (decodeEnvelope(envelope).chunks ?? []).map((cid) => cid.toString())
}

export function capsulesOf(envelope: Uint8Array): readonly Uint8Array[] {
  return decodeEnvelope(envelope).capsules
}

/**
 * Opens a record: the only way from ciphertext to plaintext (DESIGN.md, promise 1). The permit must be genuine, fresh and
 * cover the subject; the blocks must be those of their CIDs; the author must have signed; ciphertext, record, version,
 * author and capsules must belong together, and patient and labels be those it was sealed with.
 *
 * @throws ConsentryError `forbidden` without such a permit, `integrity` for anything that was altered or exchanged
 */
export function open(permit: Permit, sealed: SealedRecord, keys: OpeningKeys): Payload {
  requirePermit(permit, sealed.subject)
  const { cid, envelope, subject } = sealed
  const rowKey = cid === null && isSealedRow(envelope) ? keys.rowKey?.(capsuleOfRow(envelope)) : undefined
  const payload =
    rowKey === undefined
      ? openEnvelope(sealed, keys)
      : openRow(envelope, Buffer.from(subject.origin.slice(2), 'hex'), rowKey)
  requireSame(sealed, payload)
  return payload
}

function openEnvelope(sealed: SealedRecord, keys: OpeningKeys): Payload {
  const digest = sha256(sealed.envelope)
  if (sealed.cid !== null) requireDigest(sealed.cid, digest)
  const envelope = decodeEnvelope(sealed.envelope)
  requireSignature(envelope, digest, keys)
  const { author, tag, capsules, nonce } = envelope
  const aad = additionalData(author, tag, capsules)
  const kek = keyEncryptionKey(capsules.map((capsule) => keys.capsuleKey(capsule)))
  const dek = unwrapDek(kek, nonce, envelope.dek, aad)
  const padded = envelope.body
    ? aeadOpen(dek, nonce, envelope.body, aad)
    : openChunks(dek, nonce, fetchedChunks(envelope, sealed.chunks ?? []), aad)
  const payload = decodePayload(unpad(padded), saltOf(dek), envelope.dict)
  for (const secret of [dek, kek, padded]) secret.fill(0)
  if (Buffer.compare(tag, recordTag(payload.salt, payload)) !== 0) throw otherRecord()
  return payload
}

/** Actions that include to see what is there: an update builds on it (patch), a create or delete does not. */
const MAY_OPEN: ReadonlySet<string> = new Set(['read', 'export', 'subscribe', 'update'])

function requirePermit(permit: Permit, subject: RecordSubject): void {
  if (!Permit.is(permit) || !permit.covers(subject) || !MAY_OPEN.has(permit.action)) {
    throw new ConsentryError('forbidden', 'No permit covers this record.')
  }
  if (Date.now() - permit.decidedAt > PERMIT_LIFETIME) {
    throw new ConsentryError('forbidden', `The permit is older than ${PERMIT_LIFETIME / 1000} seconds: decide again.`)
  }
}

function requireSignature(envelope: Envelope, digest: Uint8Array, keys: OpeningKeys): void {
  if (!isSignedBy(keys.authorKeys(envelope.author), digest, envelope)) {
    throw new ConsentryError('integrity', 'The envelope is not signed by its author.')
  }
}

function fetchedChunks({ chunks = [] }: Envelope, fetched: readonly Uint8Array[]): readonly Uint8Array[] {
  if (chunks.length !== fetched.length) throw new ConsentryError('integrity', 'A block of the record is missing.')
  chunks.forEach((cid, i) => requireBlock(cid.toString(), fetched[i] as Uint8Array))
  return fetched
}

function otherRecord(): ConsentryError {
  return new ConsentryError('integrity', 'The sealed bytes are of another record or version.')
}

function requireSame({ record, subject }: SealedRecord, payload: Payload): void {
  if (record !== undefined && (record.id !== payload.id || record.version !== payload.version)) throw otherRecord()
  const { subject: bound } = payload
  // What names several patients is sealed for nobody in particular; a version from before it named them, for the one.
  const several = (subject.others ?? []).length > 0 && bound?.patient === null
  const same = several || bound?.patient === subject.patient
  if (bound && (!same || (bound.labels & subject.labels) !== bound.labels)) {
    throw new ConsentryError('integrity', 'The record was sealed for another patient or under more labels.')
  }
}

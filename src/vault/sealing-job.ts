import { readCid } from './cid.js'
import type { CapsuleKey } from './keys.js'
import type { SealedSubject } from './payload.js'
import type { SealedRow } from './row-seal.js'
import type { Sealed, SealItem } from './seal.js'

/** What is sealed into a row: under one key for all. */
export type RowItem = Omit<SealItem, 'keys'>

/** What goes into the sealing thread. Bodies lie end to end in one buffer, which is moved and not copied. */
interface Bodies {
  /** Whoever has sealed them overwrites it. */
  readonly bodies: Uint8Array<ArrayBuffer>
}

interface Item {
  readonly id: string
  readonly version: number
  /** Of the body, in bytes. */
  readonly length: number
  readonly subject: SealedSubject | undefined
}

export interface RecordsJob extends Bodies {
  readonly kind: 'records'
  readonly items: readonly (Item & { readonly keys: readonly CapsuleKey[] })[]
}

export interface RowsJob extends Bodies {
  readonly kind: 'rows'
  readonly items: readonly Item[]
  readonly key: CapsuleKey
}

/** What comes back: 32 bytes of each hash, and then the bytes whose lengths stand beside, end to end in one buffer. */
interface Packed {
  readonly bytes: Uint8Array<ArrayBuffer>
}

export interface SealedRecords extends Packed {
  readonly records: readonly { readonly cid: string; readonly blocks: readonly { cid: string; length: number }[] }[]
}

export interface SealedRows extends Packed {
  readonly lengths: readonly number[]
}

export function packRecords(items: readonly SealItem[]): RecordsJob {
  const copies = new Map<readonly CapsuleKey[], readonly CapsuleKey[]>()
  const copiesOf = (keys: readonly CapsuleKey[]): readonly CapsuleKey[] => {
    const known = copies.get(keys)
    if (known !== undefined) return known
    const made = keys.map(copyOf)
    copies.set(keys, made)
    return made
  }
  return {
    kind: 'records',
    items: items.map((item) => ({ ...packed(item), keys: copiesOf(item.keys) })),
    bodies: bodiesOf(items),
  }
}

export function packRows(items: readonly RowItem[], key: CapsuleKey): RowsJob {
  return { kind: 'rows', items: items.map(packed), bodies: bodiesOf(items), key: copyOf(key) }
}

export function unpackRecords({ items, bodies }: RecordsJob): SealItem[] {
  const take = reader(bodies)
  return items.map((item) => ({ ...unpacked(item, take), keys: item.keys }))
}

export function unpackRows({ items, bodies }: RowsJob): RowItem[] {
  const take = reader(bodies)
  return items.map((item) => unpacked(item, take))
}

export function packSealedRecords(sealed: readonly Sealed[]): SealedRecords {
  const records = sealed.map(({ cid, blocks }) => ({
    cid,
    blocks: blocks.map(({ cid: block, bytes }) => ({ cid: block, length: bytes.length })),
  }))
  const parts = sealed.flatMap(({ contentHash, salt, leaf, blocks }) => [
    contentHash,
    salt,
    leaf,
    ...blocks.map(({ bytes }) => bytes),
  ])
  return { records, bytes: joined(parts) }
}

export function unpackSealedRecords({ records, bytes }: SealedRecords): Sealed[] {
  const take = reader(bytes)
  return records.map(({ cid, blocks }) => ({
    cid,
    digest: readCid(cid).digest,
    contentHash: take(HASH),
    salt: take(HASH),
    leaf: take(HASH),
    blocks: blocks.map(({ cid: block, length }) => ({ cid: block, bytes: take(length) })),
  }))
}

export function packSealedRows(rows: readonly SealedRow[]): SealedRows {
  return {
    lengths: rows.map(({ body }) => body.length),
    bytes: joined(rows.flatMap(({ contentHash, salt, body }) => [contentHash, salt, body])),
  }
}

export function unpackSealedRows({ lengths, bytes }: SealedRows): SealedRow[] {
  const take = reader(bytes)
  return lengths.map((length) => ({ contentHash: take(HASH), salt: take(HASH), body: take(length) }))
}

const HASH = 32

function packed({ id, version, subject, body }: RowItem): Item {
  return { id, version, subject, length: body.length }
}

function bodiesOf(items: readonly RowItem[]): Uint8Array<ArrayBuffer> {
  return joined(items.map(({ body }) => body))
}

function unpacked({ id, version, subject, length }: Item, take: (length: number) => Uint8Array): RowItem {
  return { id, version, body: take(length), ...(subject === undefined ? {} : { subject }) }
}

/** A message takes with a view all of the memory behind it. */
function copyOf({ capsule, key }: CapsuleKey): CapsuleKey {
  return { capsule: Uint8Array.from(capsule), key: Uint8Array.from(key) }
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

function reader(bytes: Uint8Array): (length: number) => Uint8Array {
  let at = 0
  return (length) => bytes.subarray(at, (at += length))
}

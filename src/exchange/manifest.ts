import * as dagCbor from '@ipld/dag-cbor'
import { computeAddress } from 'ethers'
import { CID } from 'multiformats/cid'
import { ConsentryError } from '../errors.js'
import { type Block, rawBlock } from '../vault/envelope.js'
import { merkleRoot } from '../vault/merkle.js'

/** One anchored record: feed tags (one for each label), CID of the envelope, leaf. */
export interface ManifestEntry {
  readonly tags: readonly Uint8Array[]
  readonly cid: string
  readonly leaf: Uint8Array
}

/** The public list of a batch. Who holds a policy key finds the records of its feed in it, and nobody else does. */
export interface Manifest {
  /** The author entity. */
  readonly entity: string
  /** The key that signed the envelopes, 33 bytes: of an account that operates the entity. */
  readonly authorKey: Uint8Array
  readonly entries: readonly ManifestEntry[]
}

/** dag-cbor `{v: 1, entity, key, entries: [[tags, cid, leaf], …]}` in one raw block; its digest is anchored with the root. */
export function encodeManifest({ entity, authorKey, entries }: Manifest): Block {
  return rawBlock(
    dagCbor.encode({
      v: 1,
      entity: Buffer.from(entity.slice(2), 'hex'),
      key: authorKey,
      entries: entries.map(({ tags, cid, leaf }) => [tags, CID.parse(cid).bytes, leaf]),
    }),
  )
}

/** @throws ConsentryError `integrity` for anything else */
export function decodeManifest(block: Uint8Array): Manifest {
  try {
    const { v, entity, key, entries } = dagCbor.decode<{
      v: number
      entity: Uint8Array
      key: Uint8Array
      entries: [Uint8Array[], Uint8Array, Uint8Array][]
    }>(block)
    if (v !== 1 || entity.length !== 32 || key.length !== 33) throw new Error('another form')
    return {
      entity: `0x${Buffer.from(entity).toString('hex')}`,
      authorKey: key,
      entries: entries.map(([tags, cid, leaf]) => {
        if (leaf.length !== 32 || !tags.every((tag) => tag.length === 16)) throw new Error('another form')
        return { tags, cid: CID.decode(cid).toString(), leaf }
      }),
    }
  } catch (cause) {
    throw new ConsentryError('integrity', 'The block is not a manifest.', { cause })
  }
}

export function manifestRoot({ entries }: Manifest): string {
  return `0x${Buffer.from(merkleRoot(entries.map(({ leaf }) => leaf))).toString('hex')}`
}

/** The Ethereum account of the author key, lower case. */
export function accountOf(authorKey: Uint8Array): string {
  return computeAddress(`0x${Buffer.from(authorKey).toString('hex')}`).toLowerCase()
}

import { CID } from 'multiformats/cid'
import { cidOf, sha256 } from '../cid.js'

/** dag-json, https://ipld.io/specs/codecs/dag-json/spec/; no block of a record has this codec. */
export const BATCH_CODEC = 0x0129

/**
 * A block that only links others, so that one pin holds all that was put together: a pin of its own costs a Kubo node
 * milliseconds and several syncs.
 */
export function batchOf(roots: readonly CID[]): { cid: CID; bytes: Uint8Array } {
  const names = roots.map((cid) => cid.toString()).sort()
  const bytes = new Uint8Array(Buffer.from(JSON.stringify(names.map((name) => ({ '/': name })))))
  return { cid: cidOf(BATCH_CODEC, sha256(bytes)), bytes }
}

export function linksOf(batch: Uint8Array): CID[] {
  const links = JSON.parse(Buffer.from(batch).toString()) as { '/': string }[]
  return links.map((link) => CID.parse(link['/']))
}

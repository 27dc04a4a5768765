import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Hex } from '../../src/ledger/hex.js'
import { anchorLeaf, leafOf } from '../../src/vault/anchor-leaf.js'
import { merkleTree } from '../../src/vault/merkle.js'
import { open } from '../../src/vault/open.js'
import { type Consortium, consortium } from '../ledger/support/consortium.js'
import { startAnvilNode, type TestNode } from '../ledger/support/nodes.js'
import { permitFor } from './support/permits.js'
import { author, fetched, openingKeys, sealOne, subject } from './support/records.js'

let node: TestNode
let chain: Consortium
beforeAll(async () => {
  node = await startAnvilNode()
  chain = await consortium(node)
})
afterAll(async () => {
  await chain.close()
  await node.stop()
})

const hex = (bytes: Uint8Array): Hex => `0x${Buffer.from(bytes).toString('hex')}`

it('is what the contract verifies: each sealed record of an anchored batch, and what whoever opens it computes', async () => {
  const records = Array.from({ length: 11 }, (_, i) => ({ id: `Observation/o${i}`, version: i + 1 }))
  const sealed = records.map(({ id, version }) => sealOne(Buffer.from(`{"id":"o${version}"}`), undefined, id, version))
  const leaves = sealed.map(({ leaf }) => leaf)
  const { root, proofs } = merkleTree(leaves)
  const manifest = hex(randomBytes(32))
  const call = chain.contracts.write('RecordAnchors', 'anchor', chain.entity, 0, hex(root), manifest, leaves.length)
  await chain.run(chain.operator, call)

  for (const [i, one] of sealed.entries()) {
    const record = records[i] as (typeof records)[number]
    const { salt } = open(permitFor(subject), fetched(one, record), openingKeys)
    const leaf = anchorLeaf(salt, one.cid, record, author.id)
    expect(hex(leaf)).toBe(hex(one.leaf))
    const bytes = hex(leafOf(salt, one.cid, record, author.id))
    expect(await chain.reader.read('RecordAnchors', 'leafHashOf', bytes)).toBe(hex(leaf))
    const proof = (proofs[i] as Uint8Array[]).map(hex)
    const includes = (leafHash: Hex, index: number) =>
      chain.reader.read('RecordAnchors', 'verifyLeaf', hex(root), leaves.length, leafHash, index, proof)
    expect(await includes(hex(leaf), i)).toBe(true)
    expect(await includes(hex(leaf), (i + 1) % leaves.length)).toBe(false)
    expect(await includes(hex(randomBytes(32)), i)).toBe(false)
  }
})

import { createHash, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { anchorLeaf, leafOf } from '../../src/vault/anchor-leaf.js'
import { blockOf, DAG_CBOR } from '../../src/vault/cid.js'
import { merkleRoot, merkleTree, verifyInclusion } from '../../src/vault/merkle.js'

const leafHash = (data: Uint8Array) => createHash('sha256').update(Uint8Array.of(0)).update(data).digest()
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

describe('the tree of RFC 9162', () => {
  /** Leaves and roots of the test vectors of Certificate Transparency (merkle_tree_test, RFC 6962 reference). */
  const inputs = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f']
  const roots = [
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ]
  it.each(roots.map((root, i) => [i + 1, root] as const))('has the known root of %i leaves', (size, root) => {
    const leaves = inputs.slice(0, size).map((data) => leafHash(Buffer.from(data, 'hex')))
    expect(hex(merkleRoot(leaves))).toBe(root)
  })

  it('has the hash of nothing as the root of nothing', () => {
    expect(hex(merkleRoot([]))).toBe(createHash('sha256').digest('hex'))
  })

  it('proves each leaf, and no other leaf, place, size or root', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 70 }), fc.nat(), (size, at) => {
        const leaves = Array.from({ length: size }, () => randomBytes(32))
        const { root, proofs } = merkleTree(leaves)
        const index = at % size
        const [leaf, proof] = [leaves[index]!, proofs[index]!]
        expect(hex(root)).toBe(hex(merkleRoot(leaves)))
        expect(verifyInclusion(root, size, index, leaf, proof)).toBe(true)
        expect(verifyInclusion(root, size, index, randomBytes(32), proof)).toBe(false)
        expect(verifyInclusion(randomBytes(32), size, index, leaf, proof)).toBe(false)
        expect(verifyInclusion(root, size, size, leaf, proof)).toBe(false)
        expect(verifyInclusion(root, size, index, leaf, [...proof, randomBytes(32)])).toBe(false)
        if (size > 1) expect(verifyInclusion(root, size, (index + 1) % size, leaf, proof)).toBe(false)
        if (proof.length > 0) expect(verifyInclusion(root, size, index, leaf, proof.slice(1))).toBe(false)
      }),
    )
  })
})

describe('the leaf of a record', () => {
  const [salt, author] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
  const { cid } = blockOf(Buffer.from('ciphertext'), DAG_CBOR)
  const leaf = leafOf(salt, cid, { id: 'Observation/o1', version: 7 }, author)

  it('is salt, CID, version, author and id, byte by byte', () => {
    const digest = createHash('sha256').update('ciphertext').digest('hex')
    const id = Buffer.from('Observation/o1').toString('hex')
    expect(hex(leaf)).toBe(`${'01'.repeat(32)}01711220${digest}00000007${'02'.repeat(32)}${id}`)
    expect(hex(anchorLeaf(salt, cid, { id: 'Observation/o1', version: 7 }, author))).toBe(hex(leafHash(leaf)))
  })
})

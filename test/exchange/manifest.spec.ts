import { createHash, randomBytes } from 'node:crypto'
import * as dagCbor from '@ipld/dag-cbor'
import { describe, expect, it } from 'vitest'
import { feedTag } from '../../src/exchange/feed-tag.js'
import { type GrantPackage, openPackage, sealPackage } from '../../src/exchange/grant-package.js'
import { accountOf, decodeManifest, encodeManifest, type Manifest, manifestRoot } from '../../src/exchange/manifest.js'
import { rawBlock } from '../../src/vault/envelope.js'
import { policySecret, sealTo } from '../../src/vault/keys.js'
import { SecretKey } from '../../src/vault/pre/index.js'

const bytes = (length: number) => new Uint8Array(randomBytes(length))
const party = () => `0x${randomBytes(32).toString('hex')}` as const
const entry = (tags: number) => ({
  tags: Array.from({ length: tags }, () => bytes(16)),
  cid: rawBlock(bytes(50)).cid,
  leaf: bytes(32),
})
const manifest: Manifest = {
  entity: party(),
  authorKey: SecretKey.random().publicKey.toBytes(),
  entries: [entry(1), entry(0), entry(3)],
}

describe('a manifest', () => {
  it('comes back as it went, out of one raw block', () => {
    const block = encodeManifest(manifest)
    expect(decodeManifest(block.bytes)).toEqual(manifest)
    expect(rawBlock(block.bytes).cid).toBe(block.cid)
  })

  it('has the Merkle root of its leaves in their order (RFC 9162)', () => {
    const hash = (...parts: Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest()
    const [a, b, c] = manifest.entries.map(({ leaf }) => leaf) as [Uint8Array, Uint8Array, Uint8Array]
    const node = Uint8Array.of(1)
    expect(manifestRoot(manifest)).toBe(`0x${hash(node, hash(node, a, b), c).toString('hex')}`)
    expect(manifestRoot({ ...manifest, entries: [...manifest.entries].reverse() })).not.toBe(manifestRoot(manifest))
  })

  it('names the Ethereum account of its author', () => {
    // The first key of the ethers documentation's and of every development chain's accounts.
    const secret = SecretKey.fromScalar(
      Buffer.from('ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80', 'hex'),
    )
    expect(accountOf(secret.publicKey.toBytes())).toBe('0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266')
  })

  const raw = () => dagCbor.decode<Record<string, unknown>>(encodeManifest(manifest).bytes)
  it.each<[string, () => Uint8Array]>([
    ['of another version', () => dagCbor.encode({ ...raw(), v: 2 })],
    ['of a short entity id', () => dagCbor.encode({ ...raw(), entity: bytes(31) })],
    ['of a long author key', () => dagCbor.encode({ ...raw(), key: bytes(65) })],
    ['without entries', () => dagCbor.encode({ ...raw(), entries: null })],
    ['with a short leaf', () => dagCbor.encode({ ...raw(), entries: [[[], Buffer.alloc(36), bytes(31)]] })],
    [
      'with a tag of another length',
      () => encodeManifest({ ...manifest, entries: [{ ...entry(0), tags: [bytes(17)] }] }).bytes,
    ],
    ['with a CID that is none', () => dagCbor.encode({ ...raw(), entries: [[[], bytes(5), bytes(32)]] })],
    ['with bytes after its end', () => Buffer.concat([encodeManifest(manifest).bytes, bytes(1)])],
    ['that is nothing', () => new Uint8Array()],
    ['that is random', () => bytes(200)],
  ])('%s is refused', (_, make) => {
    expect(() => decodeManifest(make())).toThrowError(expect.objectContaining({ kind: 'integrity' }))
  })
})

describe('a grant package', () => {
  const receiver = SecretKey.random()
  const grant: GrantPackage = {
    patient: party(),
    grantee: party(),
    threshold: 2,
    verifyingKey: SecretKey.random().publicKey.toBytes(),
    policies: [
      { label: 'general', epoch: 0, policyKey: policySecret(bytes(32), 'general', 0).publicKey.toBytes() },
      { label: 'PSY', epoch: 3, policyKey: policySecret(bytes(32), 'PSY', 3).publicKey.toBytes() },
    ],
    proxies: [1, 2, 3].map((n) => ({ id: party(), endpoint: `http://127.0.0.1:${n}` })),
  }
  const sealed = sealPackage(grant, receiver.publicKey)

  it('comes back as it went, to its grantee alone', () => {
    expect(openPackage(sealed, receiver)).toEqual(grant)
    expect(() => openPackage(sealed, SecretKey.random())).toThrowError(expect.objectContaining({ kind: 'integrity' }))
  })

  it('says nothing to anyone else: neither keys nor ids nor addresses', () => {
    const text = Buffer.from(sealed)
    expect(text.includes(Buffer.from(grant.verifyingKey))).toBe(false)
    expect(text.toString('latin1')).not.toMatch(/http|general|PSY/)
    expect(text.includes(Buffer.from(grant.patient.slice(2), 'hex'))).toBe(false)
  })

  it('is refused with any changed byte', () => {
    for (let at = 0; at < sealed.length; at += 7) {
      const altered = Uint8Array.from(sealed)
      altered[at] = (altered[at] as number) ^ 0x10
      expect(() => openPackage(altered, receiver)).toThrow()
    }
    expect(() => openPackage(sealed.subarray(0, 90), receiver)).toThrow()
  })

  it('cannot be a key fragment, or anything else that was sealed to the grantee', () => {
    const other = sealTo(receiver.publicKey, dagCbor.encode(grant), 'consentry key fragment')
    expect(() => openPackage(other, receiver)).toThrow()
  })

  it.each<[string, unknown]>([
    ['a threshold of nothing', { ...grant, threshold: 0 }],
    ['a negative threshold', { ...grant, threshold: -1 }],
    ['a threshold that is no number', { ...grant, threshold: '2' }],
    ['fewer proxies than the threshold', { ...grant, proxies: grant.proxies.slice(1, 2) }],
    ['a label that nobody knows', { ...grant, policies: [{ ...grant.policies[0], label: 'XYZ' }] }],
    ['a policy key of another length', { ...grant, policies: [{ ...grant.policies[0], policyKey: bytes(32) }] }],
    ['no policies', { ...grant, policies: undefined }],
    ['no proxies', { ...grant, proxies: undefined }],
    ['a proxy without an address', { ...grant, proxies: [{ id: party() }, ...grant.proxies] }],
    [
      'a proxy at another kind of address',
      { ...grant, proxies: [{ id: party(), endpoint: 'file:///etc' }, ...grant.proxies] },
    ],
    ['a text instead of everything', 'package'],
    ['nothing', null],
  ])('is refused with %s', (_, content) => {
    const clean = JSON.stringify(content) === undefined ? null : content
    const encoded = dagCbor.encode(withoutUndefined(clean))
    const block = sealTo(receiver.publicKey, encoded, 'consentry grant package 1')
    expect(() => openPackage(block, receiver)).toThrowError(expect.objectContaining({ kind: 'integrity' }))
  })

  it('is refused when it is no dag-cbor', () => {
    const block = sealTo(receiver.publicKey, bytes(40), 'consentry grant package 1')
    expect(() => openPackage(block, receiver)).toThrowError(expect.objectContaining({ kind: 'integrity' }))
  })
})

/** dag-cbor has no `undefined`. */
function withoutUndefined(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined))
}

describe('a feed tag', () => {
  const root = bytes(32)
  const key = policySecret(root, 'general', 0).publicKey.toBytes()
  const author = party()

  it('is the same for the same policy key and author, wherever it is made', () => {
    expect(feedTag(key, author)).toEqual(feedTag(Uint8Array.from(key), author))
    expect(feedTag(key, author)).toHaveLength(16)
  })

  it('differs by author, label, epoch and patient', () => {
    const tags = [
      feedTag(key, author),
      feedTag(key, party()),
      feedTag(policySecret(root, 'PSY', 0).publicKey.toBytes(), author),
      feedTag(policySecret(root, 'general', 1).publicKey.toBytes(), author),
      feedTag(policySecret(bytes(32), 'general', 0).publicKey.toBytes(), author),
    ].map((tag) => Buffer.from(tag).toString('hex'))
    expect(new Set(tags).size).toBe(tags.length)
  })
})

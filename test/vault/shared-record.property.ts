import fc from 'fast-check'
import { expect, it } from 'vitest'
import { newCapsuleKey, policySecret, signerOf } from '../../src/vault/keys.js'
import { capsulesOf, open } from '../../src/vault/open.js'
import {
  Capsule,
  CapsuleFrag,
  decapsulateReencrypted,
  generateKeyFrags,
  KeyFrag,
  reencrypt,
  SecretKey,
} from '../../src/vault/pre/index.js'
import { permitFor } from './support/permits.js'
import { fetched, openingKeys, root, sealOne, subject } from './support/records.js'

/** As in an exchange: fragments travel as bytes, each proxy answers with bytes, the grantee verifies and combines. */
function shared(label: string, threshold: number, shares: number, grantee: SecretKey) {
  const delegating = policySecret(root, label, 0)
  const signer = signerOf(root)
  const verifyingKey = signer.publicKey
  const parties = { delegating: delegating.publicKey, receiving: grantee.publicKey }
  const proxies = generateKeyFrags({ delegating, receiving: grantee.publicKey, signer, threshold, shares }).map(
    (frag) => KeyFrag.fromBytes(frag.toBytes()).verify(verifyingKey, parties.delegating, parties.receiving),
  )
  return (capsuleBytes: Uint8Array, asked: readonly number[], as = grantee) => {
    const capsule = Capsule.fromBytes(capsuleBytes)
    const answers = asked.map((i) =>
      CapsuleFrag.fromBytes(reencrypt(capsule, proxies[i]!).toBytes()).verify({ capsule, verifyingKey, ...parties }),
    )
    return decapsulateReencrypted(as, parties.delegating, capsule, answers)
  }
}

it('opens a record through any m of n proxies, never through fewer, and for the grantee alone', () => {
  const sizes = fc.integer({ min: 2, max: 5 }).chain((n) => fc.tuple(fc.integer({ min: 2, max: n }), fc.constant(n)))
  fc.assert(
    fc.property(sizes, fc.json(), ([threshold, shares], body) => {
      const keys = ['general', 'PSY'].map((label) => newCapsuleKey(policySecret(root, label, 0).publicKey))
      const sealed = fetched(sealOne(Buffer.from(body), keys))
      const grantee = SecretKey.random()
      const via = new Map(
        ['general', 'PSY'].map((label) => [label, shared(label, threshold, shares, grantee)] as const),
      )
      const labels = new Map(capsulesOf(sealed.envelope).map((c, i) => [c, ['general', 'PSY'][i]!] as const))
      const asking = (asked: number[], as = grantee) => ({
        ...openingKeys,
        capsuleKey: (capsule: Uint8Array) => {
          const label = [...labels].find(([known]) => Buffer.compare(known, capsule) === 0)![1]
          return via.get(label)!(capsule, asked, as)
        },
      })
      const all = fc.sample(
        fc.shuffledSubarray([...Array(shares).keys()], { minLength: threshold, maxLength: threshold }),
        1,
      )[0]!
      expect(Buffer.from(open(permitFor(subject), sealed, asking(all)).body).toString()).toBe(body)
      expect(() => open(permitFor(subject), sealed, asking(all.slice(1)))).toThrowError(/do not open/)
      expect(() => open(permitFor(subject), sealed, asking(all, SecretKey.random()))).toThrowError(/do not open/)
    }),
    { numRuns: 12 },
  )
})

it('keeps labels apart: fragments of the general label open no other', () => {
  const psychiatric = newCapsuleKey(policySecret(root, 'PSY', 0).publicKey)
  const sealed = fetched(sealOne(Buffer.from('{}'), [psychiatric]))
  const general = shared('general', 2, 3, SecretKey.random())
  const keys = { ...openingKeys, capsuleKey: (capsule: Uint8Array) => general(capsule, [0, 1]) }
  expect(() => open(permitFor(subject), sealed, keys)).toThrowError(/authentication/)
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { capsuleParts } from '../../../src/vault/pre/capsule.js'
import { capsuleFragOf, capsuleFragParts, proofChallenge } from '../../../src/vault/pre/capsule-frag.js'
import { type Group, ORDER, type Scalar } from '../../../src/vault/pre/group.js'
import {
  Capsule,
  CapsuleFrag,
  decapsulateOriginal,
  decapsulateReencrypted,
  encapsulate,
  generateKeyFrags,
  KeyFrag,
  reencrypt,
  SecretKey,
  type VerifiedCapsuleFrag,
  verifyCapsuleFrags,
} from '../../../src/vault/pre/index.js'
import { keyFragParts } from '../../../src/vault/pre/key-frag.js'
import { randomScalar } from '../../../src/vault/pre/scalar.js'
import { integer, octets } from '../../reference/curve.js'
import { H } from '../../reference/umbral.js'
import { groups } from './implementations.js'

/** Runs of a property on a backend: noble takes fifteen times as long. */
const runs = (group: Group, native: number) => ({ numRuns: group.name === 'native' ? native : Math.ceil(native / 15) })

const policyShape = fc
  .integer({ min: 1, max: 5 })
  .chain((m) => fc.record({ m: fc.constant(m), n: fc.integer({ min: m, max: 7 }) }))

/** Alice shares with Bob through n proxies, m of whom suffice. */
function share(group: Group, m: number, n: number) {
  const alice = SecretKey.random(group)
  const signer = SecretKey.random(group)
  const bob = SecretKey.random(group)
  const { capsule, key } = encapsulate(alice.publicKey, group)
  const options = { delegating: alice, receiving: bob.publicKey, signer, threshold: m, shares: n }
  const kfrags = generateKeyFrags(options, group)
  const keys = { verifyingKey: signer.publicKey, delegating: alice.publicKey, receiving: bob.publicKey }
  return { alice, signer, bob, capsule, key, options, kfrags, context: { capsule, ...keys } }
}

function flip(bytes: Uint8Array, bit: number): Uint8Array {
  const changed = new Uint8Array(bytes)
  changed[bit >> 3]! ^= 1 << (bit & 7)
  return changed
}

describe.each(groups.map((group) => [group.name, group] as const))('Umbral over %s', (_, group) => {
  const open = (s: ReturnType<typeof share>, frags: Parameters<typeof decapsulateReencrypted>[3], bob = s.bob) =>
    decapsulateReencrypted(bob, s.alice.publicKey, s.capsule, frags, group)

  it('opens with any m of n fragments, and never with m − 1', () => {
    const shuffled = policyShape.chain(({ m, n }) =>
      fc.record({
        m: fc.constant(m),
        n: fc.constant(n),
        order: fc.shuffledSubarray([...Array(n).keys()], { minLength: n }),
      }),
    )
    fc.assert(
      fc.property(shuffled, ({ m, n, order }) => {
        const s = share(group, m, n)
        expect(decapsulateOriginal(s.alice, s.capsule, group)).toEqual(s.key)
        const cfrags = order.map((i) => reencrypt(s.capsule, s.kfrags[i]!, group))
        expect(open(s, cfrags.slice(0, m))).toEqual(s.key)
        expect(open(s, cfrags)).toEqual(s.key)
        expect(() => open(s, cfrags.slice(0, m - 1))).toThrow(m === 1 ? 'No capsule fragments' : 'do not open')
      }),
      runs(group, 40),
    )
  })

  it('refuses a capsule, a key fragment and a capsule fragment with any one bit changed', () => {
    const s = share(group, 2, 2)
    const { verifyingKey, delegating, receiving } = s.context
    const verified = s.kfrags[0]!
    const wire = {
      capsule: s.capsule.toBytes(),
      kfrag: verified.toBytes(),
      cfrag: reencrypt(s.capsule, verified, group).toBytes(),
    }
    const checkKfrag = (bytes: Uint8Array) =>
      KeyFrag.fromBytes(bytes, group).verify(verifyingKey, delegating, receiving, group)
    // The checks do accept what is not changed.
    Capsule.fromBytes(wire.capsule, group)
    CapsuleFrag.fromBytes(wire.cfrag, group).verify(s.context, group)
    checkKfrag(wire.kfrag)
    const refuse = {
      capsule: (bit: number) =>
        expect(() => Capsule.fromBytes(flip(wire.capsule, bit), group)).toThrow(/capsule|compressed point/),
      kfrag: (bit: number) => expect(() => checkKfrag(flip(wire.kfrag, bit))).toThrow(/key fragment|compressed point/),
      cfrag: (bit: number) =>
        expect(() => CapsuleFrag.fromBytes(flip(wire.cfrag, bit), group).verify(s.context, group)).toThrow(
          /capsule fragment|compressed point/,
        ),
    }
    for (const what of ['capsule', 'kfrag', 'cfrag'] as const) {
      const bits = wire[what].length * 8
      // Each one on the fast backend, a sample on the slow.
      if (group.name === 'native') for (let bit = 0; bit < bits; bit++) refuse[what](bit)
      else
        fc.assert(
          fc.property(fc.nat(bits - 1), (bit) => void refuse[what](bit)),
          { numRuns: 40 },
        )
    }
  })

  it('names the culprits among m fragments, and opens with the rest', () => {
    const corrupt = fc.constantFrom('honest', 'malformed', 'signature', 'proof', 'other capsule', 'short')
    fc.assert(
      fc.property(fc.array(corrupt, { minLength: 1, maxLength: 5 }), (fates) => {
        const s = share(group, 2, fates.length + 1)
        const other = encapsulate(s.alice.publicKey, group).capsule
        const frags = fates.map((fate, i) => {
          const bytes = reencrypt(fate === 'other capsule' ? other : s.capsule, s.kfrags[i]!, group).toBytes()
          if (fate === 'short') return bytes.subarray(0, 380)
          if (fate === 'malformed') return flip(bytes, 1)
          // the last byte of the signature; the last byte of z
          if (fate === 'signature') return flip(bytes, 381 * 8 - 1)
          return fate === 'proof' ? flip(bytes, (381 - 66) * 8 - 1) : bytes
        })
        const reason = { malformed: 'malformed', short: 'malformed', signature: 'signature', proof: 'proof' } as const
        const expected = fates.flatMap((fate, index) =>
          fate === 'honest' ? [] : [{ index, reason: fate === 'other capsule' ? 'proof' : reason[fate] }],
        )
        const { verified, culprits } = verifyCapsuleFrags(frags, s.context, group)
        expect(culprits).toEqual(expected)
        expect(verified.map((frag) => Buffer.from(frag.toBytes()))).toEqual(
          frags.filter((_, i) => fates[i] === 'honest').map((bytes) => Buffer.from(bytes)),
        )
        if (verified.length >= 2) expect(open(s, verified)).toEqual(s.key)
      }),
      runs(group, 30),
    )
  })

  it('refuses a proxy that proves something about another scalar than its own', () => {
    const s = share(group, 1, 1)
    const { id, rk, precursor, commitment: u1, signatureForReceiver } = keyFragParts(s.kfrags[0]!)
    const { e, v } = capsuleParts(s.capsule)
    /** A fragment with a proof as good as can be: e1 = a·E, v1 = b·V, and an answer for `proved`. */
    const forge = (a: Scalar, b: Scalar, proved: Scalar) => {
      const t = randomScalar()
      const [e1, v1] = [group.multiply(e, a), group.multiply(v, b)]
      const [e2, v2, u2] = [group.multiply(e, t), group.multiply(v, t), group.multiplyU(t)]
      const h = proofChallenge({ e, v }, { e1, v1, e2, v2, u1, u2 })
      const z = group.add(group.times(proved, h), t)
      return capsuleFragOf({ e1, v1, id, precursor, e2, v2, u1, u2, z, signatureForReceiver }, s.capsule).toBytes()
    }
    const other = randomScalar()
    const outcome = (bytes: Uint8Array) => verifyCapsuleFrags([bytes], s.context, group).culprits
    expect(outcome(forge(rk, rk, rk))).toEqual([])
    for (const false_ of [forge(other, other, other), forge(other, rk, rk), forge(rk, other, rk)]) {
      expect(outcome(false_)).toEqual([{ index: 0, reason: 'proof' }])
      expect(() => CapsuleFrag.fromBytes(false_, group).verify(s.context, group)).toThrow('not a correct re-encryption')
    }
  })

  it('gives Bob’s fragments no use to Bob’s namesake', () => {
    const s = share(group, 2, 3)
    const other = SecretKey.random(group)
    const cfrags = s.kfrags.map((kfrag) => reencrypt(s.capsule, kfrag, group))
    expect(() => open(s, cfrags, other)).toThrow('do not open')
    const read = CapsuleFrag.fromBytes(cfrags[0]!.toBytes(), group)
    for (const wrong of ['receiving', 'delegating', 'verifyingKey'] as const) {
      expect(() => read.verify({ ...s.context, [wrong]: other.publicKey }, group)).toThrow('not signed for this')
    }
    const kfrag = KeyFrag.fromBytes(s.kfrags[0]!.toBytes(), group)
    const { verifyingKey, delegating } = s.context
    expect(() => kfrag.verify(verifyingKey, delegating, other.publicKey, group)).toThrow('not made by this signer')
    // Even a proxy on his side, with a signer of his own, does not help him: X is Bob's.
    expect(() => decapsulateReencrypted(other, other.publicKey, s.capsule, cfrags, group)).toThrow('do not open')
  })

  it('mixes neither policies nor capsules, counts no fragment twice, and says which', () => {
    const s = share(group, 2, 2)
    const again = generateKeyFrags(s.options, group)
    const cfrag = reencrypt(s.capsule, s.kfrags[0]!, group)
    const elsewhere = encapsulate(s.alice.publicKey, group).capsule
    expect(() => open(s, [cfrag, reencrypt(s.capsule, again[1]!, group)])).toThrow('fragment 1 is of another policy')
    expect(() => open(s, [cfrag, reencrypt(elsewhere, s.kfrags[1]!, group)])).toThrow('fragment 1 is of another caps')
    expect(() => open(s, [cfrag, cfrag])).toThrow('fragment 1 is there twice')
    expect(() => open(s, [])).toThrow('No capsule fragments')
  })

  it('closes with a check of its own, should a false fragment have been taken for a true one', () => {
    const s = share(group, 2, 2)
    const [a, b] = s.kfrags.map((kfrag) => reencrypt(s.capsule, kfrag, group)) as [
      VerifiedCapsuleFrag,
      VerifiedCapsuleFrag,
    ]
    const parts = capsuleFragParts(b)
    const swapped = capsuleFragOf({ ...parts, e1: parts.v1, v1: parts.e1 }, s.capsule)
    expect(open(s, [a, b])).toEqual(s.key)
    expect(() => open(s, [a, swapped])).toThrow('do not open')
    // Fragments whose sum is the identity are no reason to fall over.
    const negated = capsuleFragOf({ ...parts, e1: opposite(parts.e1), v1: opposite(parts.v1) }, s.capsule)
    expect(() => open(s, [negated])).toThrow('do not open')
  })

  it('takes a key fragment only under the keys it is signed for', () => {
    const s = share(group, 1, 1)
    const { verifyingKey, delegating, receiving } = s.context
    const make = (signDelegating: boolean, signReceiving: boolean) =>
      KeyFrag.fromBytes(generateKeyFrags({ ...s.options, signDelegating, signReceiving }, group)[0]!.toBytes(), group)
    const full = make(true, true)
    expect(() => full.verify(verifyingKey, undefined, receiving, group)).toThrow('not given')
    expect(() => full.verify(verifyingKey, delegating, undefined, group)).toThrow('not given')
    const unbound = make(false, false)
    unbound.verify(verifyingKey, undefined, undefined, group)
    // The receiver's signature is over both keys, always.
    unbound.verify(verifyingKey, delegating, receiving, group)
    const other = SecretKey.random(group).publicKey
    expect(() => unbound.verify(verifyingKey, delegating, other, group)).toThrow('not made by this signer')
    expect(() => unbound.verify(verifyingKey, undefined, receiving, group)).toThrow('not made by this signer')
    expect(() => unbound.verify(verifyingKey, delegating, undefined, group)).toThrow('not made by this signer')
    make(true, false).verify(verifyingKey, delegating, undefined, group)
  })

  it('refuses a capsule that holds but has no shared point, V = −E', () => {
    const { capsule } = encapsulate(SecretKey.random(group).publicKey, group)
    const bytes = capsule.toBytes()
    // E = rG, V = −rG: s = r·H − r needs r, so make one from scratch.
    const r = SecretKey.random(group)
    const e = r.publicKey.toBytes()
    const v = Uint8Array.from(e)
    v[0]! ^= 1
    bytes.set(e, 3)
    bytes.set(v, 38)
    const h = H('CAPSULE_POINTS', e, v)
    const s = (((integer(r.expose()) * (h - 1n)) % ORDER) + ORDER) % ORDER
    bytes.set(octets(s, 32), 73)
    expect(() => Capsule.fromBytes(bytes, group)).toThrow('does not pass its check')
  })

  it('refuses impossible thresholds', () => {
    const s = share(group, 1, 1)
    for (const [threshold, shares] of [
      [0, 1],
      [2, 1],
      [1.5, 3],
      [1, 256],
      [-1, 2],
      [NaN, 2],
    ] as const) {
      expect(() => generateKeyFrags({ ...s.options, threshold, shares }, group)).toThrow('is not possible')
    }
  })

  it('leaves every argument as it was, Buffers too', () => {
    // A Buffer's slice shares memory; the native library works in place.
    const scalar = Buffer.from(SecretKey.random(group).expose())
    const before = Buffer.from(scalar).toString('hex')
    const alice = SecretKey.fromScalar(scalar, group)
    const s = share(group, 2, 2)
    generateKeyFrags({ ...s.options, delegating: alice }, group)
    expect(scalar.toString('hex')).toBe(before)
    expect(Buffer.from(alice.expose()).toString('hex')).toBe(before)
    const bytes = Buffer.from(s.kfrags[0]!.toBytes())
    const copy = bytes.toString('hex')
    const kfrag = KeyFrag.fromBytes(bytes, group).verify(s.signer.publicKey, s.alice.publicKey, s.bob.publicKey, group)
    const [first, second] = [reencrypt(s.capsule, kfrag, group), reencrypt(s.capsule, kfrag, group)]
    for (const frag of [first, second]) CapsuleFrag.fromBytes(frag.toBytes(), group).verify(s.context, group)
    expect(bytes.toString('hex')).toBe(copy)
    bytes.fill(0)
    expect(Buffer.from(kfrag.toBytes()).toString('hex')).toBe(copy)
  })
})

function opposite<P extends Uint8Array>(point: P): P {
  const y = 2n ** 256n - 2n ** 32n - 977n - integer(point.subarray(33))
  const out = new Uint8Array(point)
  out.set(octets(y, 32), 33)
  return out as unknown as P
}

/**
 * Umbral here beside umbral-pre (WebAssembly), operation by operation, in one process.
 * `npx vitest bench --run test/bench/umbral.bench.ts`
 *
 * The three take turns, so that a busy machine is busy for all of them. What comes over the wire is timed as it comes:
 * the capsule check and the capsule fragment check start from bytes. umbral-pre has no encapsulation of its own; its
 * `encrypt` and `decryptReencrypted` carry an empty message, some microseconds of XChaCha20-Poly1305.
 */
import * as oracle from '@nucypher/umbral-pre'
import { it } from 'vitest'
import type { Group } from '../../src/vault/pre/group.js'
import {
  Capsule,
  CapsuleFrag,
  decapsulateReencrypted,
  encapsulate,
  generateKeyFrags,
  KeyFrag,
  reencrypt,
  SecretKey,
} from '../../src/vault/pre/index.js'
import { nativeGroup } from '../../src/vault/pre/native-group.js'
import { nobleGroup } from '../../src/vault/pre/noble-group.js'

const [THRESHOLD, SHARES] = [3, 5]
/** Calls in a turn, so that an operation finds its own code in the caches; noble has one every third turn. */
const CALLS = 10
const TURNS = 60
/** Turns that warm up and do not count. */
const WARM_UP = 12

/** One policy, made once; every implementation works on the same bytes. */
const keys = { alice: SecretKey.random(), bob: SecretKey.random(), signer: SecretKey.random() }
const made = encapsulate(keys.alice.publicKey)
const wire = {
  capsule: made.capsule.toBytes(),
  kfrags: generateKeyFrags({
    delegating: keys.alice,
    receiving: keys.bob.publicKey,
    signer: keys.signer,
    threshold: THRESHOLD,
    shares: SHARES,
  }),
}
const cfrags = wire.kfrags.map((kfrag) => reencrypt(made.capsule, kfrag).toBytes())

type Operations = Record<(typeof OPERATIONS)[number], () => unknown>
const OPERATIONS = [
  'encapsulate',
  'capsule check',
  'kfrags 3 of 5',
  'kfrag check',
  're-encrypt',
  'cfrag check',
  'open, m = 3',
] as const

function ours(group: Group): Operations {
  const { alice, bob, signer } = keys
  const [a, b, v] = [alice.publicKey, bob.publicKey, signer.publicKey]
  const capsule = Capsule.fromBytes(wire.capsule, group)
  const kfragBytes = wire.kfrags[0]!.toBytes()
  const checkKfrag = () => KeyFrag.fromBytes(kfragBytes, group).verify(v, a, b, group)
  const kfrag = checkKfrag()
  const context = { capsule, verifyingKey: v, delegating: a, receiving: b }
  const frags = cfrags.slice(0, THRESHOLD).map((bytes) => CapsuleFrag.fromBytes(bytes, group).verify(context, group))
  const policy = { delegating: alice, receiving: b, signer, threshold: THRESHOLD, shares: SHARES }
  return {
    encapsulate: () => encapsulate(a, group),
    'capsule check': () => Capsule.fromBytes(wire.capsule, group),
    'kfrags 3 of 5': () => generateKeyFrags(policy, group),
    'kfrag check': checkKfrag,
    're-encrypt': () => reencrypt(capsule, kfrag, group),
    'cfrag check': () => CapsuleFrag.fromBytes(cfrags[0]!, group).verify(context, group),
    'open, m = 3': () => decapsulateReencrypted(bob, a, capsule, frags, group),
  }
}

function theirs(): Operations {
  const secret = (key: SecretKey) => oracle.SecretKey.fromBEBytes(key.expose())
  const [alice, bob] = [secret(keys.alice), secret(keys.bob)]
  const signer = new oracle.Signer(secret(keys.signer))
  const [a, b, v] = [alice.publicKey(), bob.publicKey(), signer.verifyingKey()]
  const [capsule, ciphertext] = oracle.encrypt(a, new Uint8Array(0))
  const capsuleBytes = capsule.toBytes()
  const kfragBytes = wire.kfrags[0]!.toBytes()
  const checkKfrag = () => oracle.KeyFrag.fromBytes(kfragBytes).verify(v, a, b)
  const verified = oracle.generateKFrags(alice, b, signer, THRESHOLD, SHARES, true, true)
  const kfrag = checkKfrag()
  const cfragBytes = verified.map((one) => oracle.reencrypt(capsule, one).toBytes())
  const check = (bytes: Uint8Array) => oracle.CapsuleFrag.fromBytes(bytes).verify(capsule, v, a, b)
  const frags = cfragBytes.slice(0, THRESHOLD).map(check)
  return {
    encapsulate: () => oracle.encrypt(a, new Uint8Array(0)),
    'capsule check': () => oracle.Capsule.fromBytes(capsuleBytes),
    'kfrags 3 of 5': () => oracle.generateKFrags(alice, b, signer, THRESHOLD, SHARES, true, true),
    'kfrag check': checkKfrag,
    're-encrypt': () => oracle.reencrypt(capsule, kfrag),
    'cfrag check': () => check(cfragBytes[0]!),
    'open, m = 3': () => oracle.decryptReencrypted(bob, a, capsule, frags, ciphertext),
  }
}

const median = (times: number[]) => times.sort((x, y) => x - y)[times.length >> 1] ?? NaN

it('every operation on every implementation', () => {
  const players = new Map<string, Operations>([['umbral-pre', theirs()]])
  if (nativeGroup) players.set('native', ours(nativeGroup))
  players.set('noble', ours(nobleGroup))
  console.log(`\nµs, median of ${TURNS * CALLS} (noble: ${TURNS / 3}); ratio = umbral-pre ÷ native`)
  console.log(['operation'.padEnd(15), ...[...players.keys(), 'ratio'].map((name) => name.padStart(11))].join(''))
  for (const operation of OPERATIONS) {
    const times = new Map([...players.keys()].map((name) => [name, [] as number[]]))
    for (let turn = -WARM_UP; turn < TURNS; turn++) {
      for (const [name, player] of players) {
        const calls = name === 'noble' ? Number(turn % 3 === 0) : CALLS
        for (let call = 0; call < calls; call++) {
          const from = performance.now()
          player[operation]()
          if (turn >= 0) times.get(name)!.push((performance.now() - from) * 1000)
        }
      }
    }
    const medians = new Map([...times].map(([name, list]) => [name, median(list)]))
    const ratio = medians.get('umbral-pre')! / (medians.get('native') ?? NaN)
    const columns = [...medians.values()].map((value) => value.toFixed(0).padStart(11))
    console.log([operation.padEnd(15), ...columns, `${ratio.toFixed(1)}×`.padStart(11)].join(''))
  }
}, 300_000)

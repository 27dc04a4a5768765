import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { keccak256, Wallet } from 'ethers'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { labelId } from '../../src/consent/labels.js'
import type { Call } from '../../src/ledger/contracts.js'
import { ChainFollower } from '../../src/ledger/follower.js'
import type { Hex } from '../../src/ledger/hex.js'
import {
  DELIVERY_LIFE,
  type KeyFragDelivery,
  keyFragPurpose,
  type Receipt,
  receiptHash,
  receiptText,
  type ReencryptionRequest,
  type ReencryptionResponse,
} from '../../src/proxy/protocol.js'
import { RevocationSink } from '../../src/proxy/revocations.js'
import { newCapsuleKey, policySecret, sealTo, signerOf } from '../../src/vault/keys.js'
import {
  Capsule,
  CapsuleFrag,
  decapsulateReencrypted,
  generateKeyFrags,
  PublicKey,
  SecretKey,
  type VerifiedKeyFrag,
} from '../../src/vault/pre/index.js'
import { type Consortium, consortium, OPEN_END, randomId, ZERO } from '../ledger/support/consortium.js'
import { startAnvilNode, type TestNode } from '../ledger/support/nodes.js'
import { hex, openProxy, type TestProxy } from './proxies.js'

const GENERAL = labelId('general')
const PSY = labelId('PSY')
const TREAT = 1
const RESEARCH = 16

let node: TestNode
let cast: Consortium
let proxies: TestProxy[]
/** The proxies' clock, seconds; the chain has its own, a little behind. */
let skew = 0
const now = () => Math.floor(Date.now() / 1000) + skew

/** The grantee: an entity whose operator signs requests. */
const clinic = { id: randomId(), encryption: SecretKey.random(), operator: new Wallet(hex(randomBytes(32))) }
const stranger = { id: randomId(), encryption: SecretKey.random(), operator: new Wallet(hex(randomBytes(32))) }

beforeAll(async () => {
  node = await startAnvilNode()
  cast = await consortium(node)
  const { contracts, administrator } = cast
  for (const { id, encryption, operator } of [clinic, stranger]) {
    const registration = {
      id,
      controller: operator.address.toLowerCase() as Hex,
      validFrom: 0,
      validTo: OPEN_END,
      credential: ZERO,
      encryptionKey: hex(encryption.publicKey.toBytes()),
      endpoint: 'http://127.0.0.1:1',
    }
    await cast.run(administrator, contracts.write('IdentityRegistry', 'registerEntity', registration))
  }
  proxies = await Promise.all([1, 2, 3].map(() => openProxy(cast.reader, now)))
})
afterAll(async () => {
  for (const proxy of proxies ?? []) await proxy.close()
  await cast?.close()
  await node?.stop()
})

const send = (call: Call) => cast.run(cast.operator, call)

/** A patient in custody with a root secret, whose verifying key the ledger commits to. */
interface Patient {
  readonly id: Hex
  readonly root: Uint8Array
}
async function newPatient(): Promise<Patient> {
  const patient = { id: randomId(), root: new Uint8Array(randomBytes(32)) }
  const commitment = keccak256(signerOf(patient.root).publicKey.toBytes()) as Hex
  const nobody = ZERO.slice(0, 42) as Hex
  const call = cast.contracts.write(
    'IdentityRegistry',
    'registerPatients',
    cast.entity,
    [patient.id],
    [nobody],
    [commitment],
  )
  await send(call)
  return patient
}
async function grant(patient: Patient, over: { labels?: Hex[]; purposes?: number; to?: number; grantee?: Hex } = {}) {
  const message = {
    patient: patient.id,
    grantee: over.grantee ?? clinic.id,
    labels: over.labels ?? [GENERAL],
    actions: 1,
    purposes: over.purposes ?? TREAT,
    categories: 0b110n,
    from: 0,
    to: over.to ?? OPEN_END,
    packageHash: ZERO,
    policyHash: ZERO,
    nonce: 0n,
    deadline: 0,
  }
  await send(cast.contracts.write('ConsentRegistry', 'grant', message))
}

/** Splits the patient's policy key of a label over the three proxies. */
function split(patient: Patient, label = 'general', receiver = clinic.encryption): VerifiedKeyFrag[] {
  return generateKeyFrags({
    delegating: policySecret(patient.root, label, 0),
    receiving: receiver.publicKey,
    signer: signerOf(patient.root),
    threshold: 2,
    shares: 3,
  })
}
function delivery(patient: Patient, frag: VerifiedKeyFrag, to: TestProxy, over: Partial<KeyFragDelivery> = {}) {
  const key = PublicKey.fromBytes(Buffer.from(to.identity.encryptionKey.slice(2), 'hex'))
  const terms = {
    patient: patient.id,
    grantee: clinic.id,
    label: GENERAL,
    epoch: 0,
    policyKey: base64(policySecret(patient.root, 'general', 0).publicKey.toBytes()),
    verifyingKey: base64(signerOf(patient.root).publicKey.toBytes()),
    receivingKey: base64(clinic.encryption.publicKey.toBytes()),
    nonce: randomBytes(16).toString('base64url'),
    deadline: now() + DELIVERY_LIFE,
    ...over,
  }
  const keyFrag = base64(sealTo(key, frag.toBytes(), keyFragPurpose(terms)))
  return { keyFrag, ...terms } satisfies KeyFragDelivery
}
async function post(proxy: TestProxy, path: string, body: unknown) {
  const response = await fetch(`${proxy.identity.endpoint}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> & { error?: string } }
}
async function share(patient: Patient): Promise<VerifiedKeyFrag[]> {
  const frags = split(patient)
  for (const [i, proxy] of proxies.entries()) {
    expect((await post(proxy, '/kfrags', delivery(patient, frags[i] as VerifiedKeyFrag, proxy))).status).toBe(201)
  }
  return frags
}

function question(proxy: TestProxy, patient: Patient, capsule: Uint8Array, over: Partial<ReencryptionRequest> = {}) {
  return {
    proxy: proxy.identity.id,
    grantee: clinic.id,
    purpose: TREAT,
    categories: '2',
    nonce: randomBytes(16).toString('base64url'),
    at: now(),
    event: 'told',
    items: [{ patient: patient.id, label: GENERAL, epoch: 0, capsules: [base64(capsule)] }],
    ...over,
  } satisfies ReencryptionRequest
}
async function signed(request: unknown, signer = clinic.operator) {
  const text = JSON.stringify(request)
  return { request: text, signature: await signer.signMessage(text) }
}
const ask = async (proxy: TestProxy, request: unknown, signer = clinic.operator) =>
  post(proxy, '/reencrypt', await signed(request, signer))
const results = ({ body }: { body: unknown }) => (body as ReencryptionResponse).results

/** What the fragments of these answers open the capsule to; fragments that do not verify are left out. */
function opened(patient: Patient, capsule: Uint8Array, answers: readonly { body: unknown }[]): Uint8Array | null {
  const delegating = policySecret(patient.root, 'general', 0).publicKey
  const context = {
    capsule: Capsule.fromBytes(capsule),
    verifyingKey: signerOf(patient.root).publicKey,
    delegating,
    receiving: clinic.encryption.publicKey,
  }
  const frags = answers.flatMap((answer) => {
    const [result] = results(answer)
    if (!result || !('capsuleFrags' in result)) return []
    try {
      return [CapsuleFrag.fromBytes(Buffer.from(result.capsuleFrags[0] as string, 'base64')).verify(context)]
    } catch {
      return []
    }
  })
  if (frags.length < 2) return null
  return decapsulateReencrypted(clinic.encryption, delegating, context.capsule, frags.slice(0, 2))
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
const first = (): TestProxy => proxies[0] as TestProxy

describe('a key fragment', () => {
  let patient: Patient
  let frag: VerifiedKeyFrag
  beforeAll(async () => {
    patient = await newPatient()
    frag = split(patient)[0] as VerifiedKeyFrag
  })

  it('is taken from the patient, for the key that the ledger knows of the grantee, with a receipt', async () => {
    const { status, body } = await post(first(), '/kfrags', delivery(patient, frag, first()))
    expect([status, body['kind'], body['patient']]).toEqual([201, 'stored', patient.id])
  })

  it.each<[string, () => Partial<KeyFragDelivery> | Promise<Partial<KeyFragDelivery>>]>([
    [
      'a verifying key that the ledger does not hold',
      () => ({ verifyingKey: base64(SecretKey.random().publicKey.toBytes()) }),
    ],
    ['the id of another patient', async () => ({ patient: (await newPatient()).id })],
    ['a patient that nobody registered', () => ({ patient: randomId() })],
    [
      'a receiving key that is not the grantee’s',
      () => ({ receivingKey: base64(stranger.encryption.publicKey.toBytes()) }),
    ],
    ['another grantee', () => ({ grantee: stranger.id })],
    [
      'another grantee and its key: the fragment is signed for one receiver',
      () => ({ grantee: stranger.id, receivingKey: base64(stranger.encryption.publicKey.toBytes()) }),
    ],
    ['another policy key', () => ({ policyKey: base64(policySecret(patient.root, 'PSY', 0).publicKey.toBytes()) })],
    [
      'a fragment that the patient did not sign',
      () => {
        const options = { delegating: policySecret(patient.root, 'general', 0), receiving: clinic.encryption.publicKey }
        const [forged] = generateKeyFrags({ ...options, signer: SecretKey.random(), threshold: 2, shares: 3 })
        return delivery(patient, forged as VerifiedKeyFrag, first())
      },
    ],
    ['a fragment that is sealed to another proxy', () => delivery(patient, frag, proxies[1] as TestProxy)],
    ['bytes that are no fragment', () => ({ keyFrag: base64(randomBytes(400)) })],
    ['a key that is no point', () => ({ policyKey: base64(new Uint8Array(33)) })],
  ])('is refused with %s', async (_, over) => {
    const before = first().store.list()
    const { status, body } = await post(first(), '/kfrags', delivery(patient, frag, first(), await over()))
    expect([400, 422], body.error).toContain(status)
    expect(body.error).toMatch(/\w/)
    expect(first().store.list()).toEqual(before)
  })
})

describe('a re-encryption', () => {
  let patient: Patient
  let capsule: Uint8Array
  let key: Uint8Array
  beforeAll(async () => {
    patient = await newPatient()
    await share(patient)
    await grant(patient)
    ;({ capsule, key } = newCapsuleKey(policySecret(patient.root, 'general', 0).publicKey))
  })

  it('by m proxies opens the capsule, by m−1 never', async () => {
    const answers = await Promise.all(proxies.map((proxy) => ask(proxy, question(proxy, patient, capsule))))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
    for (const two of [answers.slice(0, 2), answers.slice(1), [answers[0], answers[2]]]) {
      expect(opened(patient, capsule, two as typeof answers)).toEqual(key)
    }
    const [one] = results(answers[0] as (typeof answers)[number])
    if (!one || !('capsuleFrags' in one)) throw new Error('denied')
    expect(opened(patient, capsule, answers.slice(0, 1))).toBeNull()
    // Nor when its one fragment is counted twice, or checks are left out.
    const context = {
      capsule: Capsule.fromBytes(capsule),
      verifyingKey: signerOf(patient.root).publicKey,
      delegating: policySecret(patient.root, 'general', 0).publicKey,
      receiving: clinic.encryption.publicKey,
    }
    const verified = CapsuleFrag.fromBytes(Buffer.from(one.capsuleFrags[0] as string, 'base64')).verify(context)
    for (const frags of [[verified], [verified, verified]]) {
      expect(() => decapsulateReencrypted(clinic.encryption, context.delegating, context.capsule, frags)).toThrow()
    }
  })

  it('by a proxy that lies is left out, and the other two suffice', async () => {
    const [lying, ...honest] = await Promise.all(proxies.map((proxy) => ask(proxy, question(proxy, patient, capsule))))
    const lie = structuredClone(lying) as { status: number; body: unknown }
    const [result] = results(lie) as { capsuleFrags: string[] }[]
    const bytes = Buffer.from(result?.capsuleFrags[0] as string, 'base64')
    bytes[40] = (bytes[40] as number) ^ 1
    ;(result as { capsuleFrags: string[] }).capsuleFrags[0] = bytes.toString('base64')
    expect(opened(patient, capsule, [lie, ...honest.slice(1)])).toBeNull()
    expect(opened(patient, capsule, [lie, ...honest])).toEqual(key)
  })

  it('is for requests signed by an account that speaks for the grantee', async () => {
    const request = question(first(), patient, capsule)
    expect((await ask(first(), request, stranger.operator)).status).toBe(403)
    const { signature } = await signed({ ...request, nonce: 'other' })
    expect((await post(first(), '/reencrypt', { request: JSON.stringify(request), signature })).status).toBe(403)
    const forged = { request: JSON.stringify(request), signature: `0x${'00'.repeat(65)}` }
    expect((await post(first(), '/reencrypt', forged)).status).toBe(403)
    // The refusals have not used the nonce up.
    expect((await ask(first(), request)).status).toBe(200)
  })

  it('is for this proxy, now, and once', async () => {
    const other = question(first(), patient, capsule, { proxy: (proxies[1] as TestProxy).identity.id })
    expect((await ask(first(), other)).status).toBe(403)
    expect((await ask(first(), question(first(), patient, capsule, { at: now() - 90 }))).status).toBe(403)
    expect((await ask(first(), question(first(), patient, capsule, { at: now() + 90 }))).status).toBe(403)
    const request = await signed(question(first(), patient, capsule))
    expect((await post(first(), '/reencrypt', request)).status).toBe(200)
    expect((await post(first(), '/reencrypt', request)).status).toBe(409)
    skew = 50
    expect((await post(first(), '/reencrypt', request)).status).toBe(409)
    skew = 0
  })

  it.each<[string, Partial<ReencryptionRequest>]>([
    ['another purpose than the grant’s', { purpose: RESEARCH }],
    ['a purpose beside the grant’s', { purpose: TREAT | RESEARCH }],
    ['no purpose', { purpose: 0 }],
    ['a category that is not granted', { categories: '8' }],
    ['no category', { categories: '0' }],
  ])('is denied for %s', async (_, over) => {
    const answer = await ask(first(), question(first(), patient, capsule, over))
    expect([answer.status, results(answer)]).toEqual([200, [{ denied: 'no consent' }]])
    expect((answer.body as unknown as ReencryptionResponse).receipts.map(({ kind }) => kind)).toEqual(['denied'])
  })

  it('is denied for another grantee, who has neither consent nor fragment', async () => {
    const request = { ...question(first(), patient, capsule), grantee: stranger.id }
    expect(results(await ask(first(), request, stranger.operator))).toEqual([{ denied: 'no consent' }])
    await grant(patient, { grantee: stranger.id })
    const again = { ...question(first(), patient, capsule), grantee: stranger.id }
    expect(results(await ask(first(), again, stranger.operator))).toEqual([{ denied: 'no key fragment' }])
  })

  it('is denied for another label or epoch', async () => {
    const item = { patient: patient.id, capsules: [base64(capsule)] }
    const psy = question(first(), patient, capsule, { items: [{ ...item, label: PSY, epoch: 0 }] })
    expect(results(await ask(first(), psy))).toEqual([{ denied: 'no consent' }])
    const epoch = question(first(), patient, capsule, { items: [{ ...item, label: GENERAL, epoch: 1 }] })
    expect(results(await ask(first(), epoch))).toEqual([{ denied: 'no key fragment' }])
  })

  it('is denied once the period is over, and from the block of a revocation on', async () => {
    const soon = await newPatient()
    await share(soon)
    const head = (await node.rpc.send('eth_getBlockByNumber', ['latest', false])) as { timestamp: Hex }
    await grant(soon, { to: Number(head.timestamp) + 1_000 })
    const mine = newCapsuleKey(policySecret(soon.root, 'general', 0).publicKey).capsule
    const mark = await node.rpc.send('evm_snapshot')
    expect(results(await ask(first(), question(first(), soon, mine)))[0]).toHaveProperty('capsuleFrags')
    await node.rpc.send('evm_setNextBlockTimestamp', [Number(head.timestamp) + 1_000])
    await node.rpc.send('evm_mine')
    expect(results(await ask(first(), question(first(), soon, mine)))).toEqual([{ denied: 'no consent' }])
    await node.rpc.send('evm_revert', [mark])
    expect(results(await ask(first(), question(first(), soon, mine)))[0]).toHaveProperty('capsuleFrags')
    await send(cast.contracts.write('ConsentRegistry', 'revoke', soon.id, clinic.id, [GENERAL], 1))
    // The fragment is still there: the proxy has not heard of the event, but it asks the ledger.
    expect(first().store.find(soon.id, clinic.id, GENERAL, 0)).toBeDefined()
    expect(results(await ask(first(), question(first(), soon, mine)))).toEqual([{ denied: 'no consent' }])
  })

  it('answers each item for itself', async () => {
    const item = { patient: patient.id, label: GENERAL, epoch: 0, capsules: [base64(capsule)] }
    const items = [item, { ...item, label: PSY }, { ...item, capsules: [base64(capsule), base64(capsule)] }]
    const answers = results(await ask(first(), question(first(), patient, capsule, { items })))
    expect(answers.map((a) => ('denied' in a ? a.denied : a.capsuleFrags.length))).toEqual([1, 'no consent', 2])
  })
})

describe('malformed input', () => {
  let patient: Patient
  let capsule: Uint8Array
  beforeAll(async () => {
    patient = await newPatient()
    await share(patient)
    await grant(patient)
    capsule = newCapsuleKey(policySecret(patient.root, 'general', 0).publicKey).capsule
  })
  const item = () => ({ patient: patient.id, label: GENERAL, epoch: 0, capsules: [base64(capsule)] })

  it.each<[string, string, unknown]>([
    ['no JSON', '/reencrypt', '{"request":'],
    ['no JSON', '/kfrags', 'x'],
    ['a delivery without parts', '/kfrags', { patient: ZERO }],
    ['a request without signature', '/reencrypt', { request: '{}' }],
  ])('is 400: %s at %s', async (_, path, body) => {
    const answer = await post(first(), path, body)
    expect([answer.status, typeof answer.body.error]).toEqual([400, 'string'])
  })

  it.each<[string, () => unknown]>([
    ['nothing', () => null],
    ['a list', () => []],
    ['no items', () => ({ ...question(first(), patient, capsule), items: undefined })],
    ['an empty list of items', () => question(first(), patient, capsule, { items: [] })],
    ['an item that is nothing', () => ({ ...question(first(), patient, capsule), items: [null] })],
    [
      'capsules that are no list',
      () => ({ ...question(first(), patient, capsule), items: [{ ...item(), capsules: 7 }] }),
    ],
    [
      'a capsule that is none',
      () => ({ ...question(first(), patient, capsule), items: [{ ...item(), capsules: ['AAAA'] }] }),
    ],
    ['an id that is none', () => ({ ...question(first(), patient, capsule), items: [{ ...item(), patient: '0x1' }] })],
    ['a grantee that is none', () => ({ ...question(first(), patient, capsule), grantee: 'clinic' })],
    ['categories that are no number', () => question(first(), patient, capsule, { categories: 'all' })],
    ['a purpose that is no number', () => ({ ...question(first(), patient, capsule), purpose: 'TREAT' })],
    ['no time: it would never be too old', () => ({ ...question(first(), patient, capsule), at: undefined })],
    ['a time that is no number', () => ({ ...question(first(), patient, capsule), at: 'now' })],
    ['no nonce', () => ({ ...question(first(), patient, capsule), nonce: undefined })],
    ['an endless nonce', () => question(first(), patient, capsule, { nonce: 'n'.repeat(10_000) })],
  ])('is 400: a signed request with %s', async (_, request) => {
    const answer = await ask(first(), request())
    expect([answer.status, typeof answer.body.error], answer.body.error).toEqual([400, 'string'])
  })

  it('is 400: a signed request that is no JSON', async () => {
    const signature = await clinic.operator.signMessage('{')
    expect((await post(first(), '/reencrypt', { request: '{', signature })).status).toBe(400)
  })

  it('is 413 or 415 when it is too large or no JSON at all', async () => {
    const huge = await post(first(), '/reencrypt', JSON.stringify({ request: 'x'.repeat(1_100_000), signature: '' }))
    expect([huge.status, typeof huge.body.error]).toEqual([413, 'string'])
    const many = Array.from({ length: 1_001 }, () => ({ ...item(), capsules: [] }))
    expect((await ask(first(), question(first(), patient, capsule, { items: many }))).status).toBe(413)
    const other = await fetch(`${first().identity.endpoint}/kfrags`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: 'x',
    })
    expect(other.status).toBe(415)
  })
})

/** Follows the chain of receipts as an auditor would. @returns the first that does not fit */
function broken(receipts: readonly Receipt[], receiptKey: Hex): number | null {
  const key = PublicKey.fromBytes(Buffer.from(receiptKey.slice(2), 'hex'))
  const index = receipts.findIndex((receipt, i) => {
    const before = receipts[i - 1]
    const chained = receipt.sequence === i && receipt.previous === (before ? receiptHash(before) : '')
    return !chained || !key.verify(Buffer.from(receipt.signature, 'base64'), Buffer.from(receiptText(receipt)))
  })
  return index === -1 ? null : index
}

describe('receipts', () => {
  async function ask(proxy: TestProxy, over: object = {}, signer = clinic.operator): Promise<Response> {
    const nonce = randomBytes(16).toString('base64url')
    const asked = { asks: 'receipts', proxy: proxy.identity.id, party: clinic.id, since: 0, nonce, at: now() }
    const request = JSON.stringify({ ...asked, ...over })
    const body = JSON.stringify({ request, signature: await signer.signMessage(request) })
    const headers = { 'content-type': 'application/json' }
    return fetch(`${proxy.identity.endpoint}/receipts`, { method: 'POST', headers, body })
  }
  const all = async (proxy: TestProxy) => proxy.store.receipts(0, 1_000)

  it('tell each party what concerns it, and of the rest hashes that the chain can be followed with', async () => {
    const receipts = await all(first())
    const { id } = clinic
    const expected = receipts.map((r) =>
      r.grantee === id || r.patient === id ? r : { sequence: r.sequence, hash: receiptHash(r) },
    )
    expect(expected.some((r) => 'grantee' in r)).toBe(true)
    expect(await (await ask(first())).json()).toEqual(expected)
    expect(await (await ask(first(), { since: 3 })).json()).toEqual(expected.slice(3))
    const told = await (await ask(first(), { party: stranger.id }, stranger.operator)).text()
    const known = new Set(receipts.filter((r) => r.grantee === stranger.id).map(({ patient }) => patient))
    const hidden = receipts.filter((r) => r.grantee !== stranger.id && !known.has(r.patient))
    expect(hidden.length).toBeGreaterThan(0)
    for (const { patient } of hidden) expect(told).not.toContain(patient)
    expect(told).not.toContain(id)
  })

  it('are told to nobody who does not sign as the party, for this proxy, now, once', async () => {
    const get = await fetch(`${first().identity.endpoint}/receipts`)
    expect(get.status).toBe(404)
    expect((await ask(first(), {}, stranger.operator)).status).toBe(403)
    expect((await ask(first(), { proxy: randomId() })).status).toBe(403)
    expect((await ask(first(), { at: now() - 120 })).status).toBe(403)
    expect((await ask(first(), { asks: 'other' })).status).toBe(400)
    expect((await ask(first(), { since: -1 })).status).toBe(400)
    const nonce = randomBytes(16).toString('base64url')
    expect((await ask(first(), { nonce })).status).toBe(200)
    expect((await ask(first(), { nonce })).status).toBe(409)
  })

  it('are signed and chained, from the first on', async () => {
    const receipts = await all(first())
    expect(new Set(receipts.map(({ kind }) => kind))).toEqual(new Set(['stored', 'reencrypted', 'denied']))
    expect(broken(receipts, first().identity.receiptKey)).toBeNull()
    expect(broken(receipts, (proxies[1] as TestProxy).identity.receiptKey)).toBe(0)
  })

  it('show when one is changed, removed or exchanged', async () => {
    const receipts = await all(first())
    const key = first().identity.receiptKey
    const parts = ['kind', 'patient', 'grantee', 'label', 'request', 'event', 'proxy', 'previous'] as const
    const over = Object.fromEntries(parts.map((part) => [part, `${receipts[2]?.[part]}0`]))
    for (const [part, value] of Object.entries({ ...over, at: 1, capsules: ['0'] })) {
      const changed = receipts.map((r, i) => (i === 2 ? { ...r, [part]: value } : r))
      expect(broken(changed, key), part).toBe(2)
    }
    expect(broken([...receipts.slice(0, 2), ...receipts.slice(3)], key)).toBe(2)
    const renumbered = [...receipts.slice(0, 2), ...receipts.slice(3).map((r) => ({ ...r, sequence: r.sequence - 1 }))]
    expect(broken(renumbered, key)).toBe(2)
    expect(broken([receipts[1] as Receipt, receipts[0] as Receipt, ...receipts.slice(2)], key)).toBe(0)
  })
})

describe('a revocation', () => {
  let proxy: TestProxy
  let follower: ChainFollower
  const follow = (): ChainFollower => {
    const following = new ChainFollower({
      rpc: node.rpc,
      addresses: [cast.contracts.addresses.ConsentRegistry],
      decode: (log) => cast.contracts.decode(log),
      sink: new RevocationSink(proxy.ursula),
      startBlock: cast.deployment.block,
      grantTag: 'latest',
      pollMs: 20,
      shorterChainMs: 0,
    })
    following.start()
    return following
  }
  const caughtUp = async () => follower.reached(Number(await node.rpc.send('eth_blockNumber')))
  beforeEach(async () => {
    proxy ??= await openProxy(cast.reader, now)
    follower = follow()
    return () => follower.stop()
  })
  afterAll(() => proxy.close())

  const deliver = async (patient: Patient, frag: VerifiedKeyFrag, label: 'general' | 'PSY' = 'general') => {
    const policyKey = base64(policySecret(patient.root, label, 0).publicKey.toBytes())
    const over = { policyKey, label: labelId(label) }
    expect((await post(proxy, '/kfrags', delivery(patient, frag, proxy, over))).status).toBe(201)
  }
  const held = (patient: Patient) => proxy.store.list().filter((frag) => frag.patient === patient.id)
  const revoke = (patient: Patient, labels = [GENERAL], actions = 1) =>
    send(cast.contracts.write('ConsentRegistry', 'revoke', patient.id, clinic.id, labels, actions))
  /** Whether any file of the proxy's database still has these bytes. */
  const onDisk = (needle: Uint8Array): boolean =>
    ['', '-wal'].some(
      (end) => existsSync(proxy.file + end) && readFileSync(proxy.file + end).includes(Buffer.from(needle)),
    )

  it('deletes the fragment of that label alone, with a receipt', async () => {
    const patient = await newPatient()
    await deliver(patient, split(patient)[0] as VerifiedKeyFrag)
    await deliver(patient, split(patient, 'PSY')[0] as VerifiedKeyFrag, 'PSY')
    await grant(patient, { labels: [GENERAL, PSY] })
    await revoke(patient)
    await caughtUp()
    expect(held(patient).map(({ label }) => label)).toEqual([PSY])
    expect(proxy.store.lastReceipt()).toMatchObject({ kind: 'deleted', patient: patient.id, label: GENERAL })
  })

  it('of another action than reading, or for another grantee, deletes nothing', async () => {
    const patient = await newPatient()
    await deliver(patient, split(patient)[0] as VerifiedKeyFrag)
    await grant(patient)
    await revoke(patient, [GENERAL], 0b10)
    await send(cast.contracts.write('ConsentRegistry', 'revoke', patient.id, stranger.id, [GENERAL], 1))
    await caughtUp()
    expect(held(patient)).toHaveLength(1)
  })

  it('of everything deletes every fragment of the patient, and nothing of them is left in the file', async () => {
    const patient = await newPatient()
    const other = await newPatient()
    await deliver(patient, split(patient)[0] as VerifiedKeyFrag)
    await deliver(patient, split(patient, 'PSY')[0] as VerifiedKeyFrag, 'PSY')
    await deliver(other, split(other)[0] as VerifiedKeyFrag)
    const sealed = [GENERAL, PSY].map(
      (label) => proxy.store.find(patient.id, clinic.id, label, 0)?.sealed as Uint8Array,
    )
    expect(sealed.map(onDisk)).toEqual([true, true])
    await send(cast.contracts.write('ConsentRegistry', 'revokeAll', patient.id))
    await caughtUp()
    expect(held(patient)).toEqual([])
    expect(held(other)).toHaveLength(1)
    expect(sealed.map(onDisk)).toEqual([false, false])
  })

  it('cannot be undone by who recorded a delivery', async () => {
    const patient = await newPatient()
    const recorded = delivery(patient, split(patient)[0] as VerifiedKeyFrag, proxy)
    expect((await post(proxy, '/kfrags', recorded)).status).toBe(201)
    await grant(patient)
    await revoke(patient)
    await caughtUp()
    expect(held(patient)).toEqual([])
    expect((await post(proxy, '/kfrags', recorded)).status).toBe(409)
    const renamed = { ...recorded, nonce: randomBytes(16).toString('base64url') }
    expect((await post(proxy, '/kfrags', renamed)).status).toBe(422)
    skew = DELIVERY_LIFE
    expect((await post(proxy, '/kfrags', recorded)).status).toBe(403)
    skew = 10 * DELIVERY_LIFE
    // Any delivery makes the proxy forget nonces that are over.
    const other = delivery(await newPatient(), split(patient)[1] as VerifiedKeyFrag, proxy)
    await post(proxy, '/kfrags', other)
    expect((await post(proxy, '/kfrags', recorded)).status).toBe(403)
    expect((await post(proxy, '/kfrags', { ...recorded, deadline: now() + DELIVERY_LIFE })).status).toBe(422)
    skew = 0
    const far = delivery(patient, split(patient)[0] as VerifiedKeyFrag, proxy, { deadline: now() + 100_000 })
    expect((await post(proxy, '/kfrags', far)).status).toBe(403)
    expect(held(patient)).toEqual([])
  })

  it('that is read again after a restart spares what was granted after it', async () => {
    const patient = await newPatient()
    const gone = await newPatient()
    for (const p of [patient, gone]) {
      await deliver(p, split(p)[0] as VerifiedKeyFrag)
      await grant(p)
    }
    await revoke(patient)
    await caughtUp()
    expect(held(patient)).toEqual([])
    await deliver(patient, split(patient)[0] as VerifiedKeyFrag)
    await follower.stop()
    await revoke(gone)
    // Down while one patient revoked, and before the other's new grant was signed.
    follower = follow()
    await caughtUp()
    expect(held(gone)).toEqual([])
    expect(held(patient)).toHaveLength(1)
    await send(cast.contracts.write('ConsentRegistry', 'revokeAll', patient.id))
    await caughtUp()
    expect(held(patient)).toEqual([])
  })

  it('is not needed where the period is over', async () => {
    const [over, open, unsigned] = [await newPatient(), await newPatient(), await newPatient()]
    for (const p of [over, open, unsigned]) await deliver(p, split(p)[0] as VerifiedKeyFrag)
    await grant(over, { to: now() + 10_000 })
    await grant(open)
    await proxy.ursula.forgetExpired()
    expect(held(over)).toHaveLength(1)
    skew = 10_000
    await proxy.ursula.forgetExpired()
    skew = 0
    expect([over, open, unsigned].map((p) => held(p).length)).toEqual([0, 1, 1])
  })
})

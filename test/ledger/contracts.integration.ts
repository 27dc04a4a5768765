import { Wallet } from 'ethers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compactGrant, compactGrantCall } from '../../src/ledger/compact-grant.js'
import { deploy, ensureDeployed, verifyDeployment, type Deployment } from '../../src/ledger/deploy.js'
import type { Hex } from '../../src/ledger/hex.js'
import { stateProof, verifyState } from '../../src/ledger/proof.js'
import { accountSlot, consentSlot, standingSlot } from '../../src/ledger/slots.js'
import { ContractRefusal } from '../../src/ledger/refusal.js'
import { Rpc, RpcError } from '../../src/ledger/rpc.js'
import { header } from '../../src/ledger/chain.js'
import { Contracts } from '../../src/ledger/contracts.js'
import { LedgerReader, questionData } from '../../src/ledger/reads.js'
import { ConsentryError } from '../../src/errors.js'
import {
  digestOf,
  relayCall,
  signerOf,
  signTypedData,
  typedData,
  walletPayload,
  type Grant,
  type SignedAction,
  type SignedActions,
} from '../../src/ledger/typed-data.js'
import { consentWord } from '../../src/ledger/words.js'
import { ALL_LABELS, consortium, OPEN_END, randomId, ZERO, type Consortium } from './support/consortium.js'
import { gethBinary, gethMissing, startAnvilNode, startGethNode, type TestNode } from './support/nodes.js'

const DAY = 86_400
const now = (): number => Math.floor(Date.now() / 1000)
const TREAT = 1

function suite(start: () => Promise<TestNode>): void {
  let node: TestNode
  let at: Consortium
  beforeAll(async () => {
    node = await start()
    at = await consortium(node)
  })
  afterAll(async () => {
    await at.close()
    await node.stop()
  })

  async function grantOf(more: Partial<Grant> = {}): Promise<Grant> {
    return {
      patient: at.patient,
      grantee: at.entity,
      labels: [randomId()],
      actions: 0b000001,
      purposes: TREAT,
      categories: 0b11n,
      from: now() - DAY,
      to: now() + DAY,
      packageHash: randomId(),
      policyHash: ZERO,
      nonce: await at.reader.read('ConsentRegistry', 'grantNonce', at.patient),
      deadline: now() + DAY,
      ...more,
    }
  }

  /** Signs as the patient and relays as somebody else. */
  async function relay<A extends SignedAction>(action: A, message: SignedActions[A], signer = at.wallet) {
    const signature = await signTypedData(signer, typedData(at.contracts, action, message))
    return await at.run(at.operator, relayCall(at.contracts, action, message, signature))
  }

  const check = async (grant: Grant, label = grant.labels[0] ?? ZERO): Promise<boolean | undefined> =>
    (await at.reader.check([{ ...grant, label, action: 0, purpose: TREAT, categories: 1n }]))[0]

  it('has a domain that the contracts state themselves (EIP-5267)', async () => {
    for (const [contract, action] of [
      ['ConsentRegistry', 'Grant'],
      ['IdentityRegistry', 'SetGuardian'],
    ] as const) {
      const domain = await at.reader.read(contract, 'eip712Domain')
      const ours = typedData(at.contracts, action, {} as never).domain
      expect({ ...domain, chainId: Number(domain.chainId) }).toMatchObject({ ...ours })
    }
  })

  it('grants and revokes by signatures that anyone relays', async () => {
    const grant = await grantOf({ labels: [randomId(), ALL_LABELS], actions: 0b000101, policyHash: randomId() })
    const receipt = await relay('Grant', grant)
    const facts = receipt.logs.map((log) => at.contracts.decode(log))
    expect(facts.map((fact) => fact?.name)).toEqual([
      'ConsentGranted',
      'PolicyPinned',
      'ConsentGranted',
      'PolicyPinned',
    ])
    const [granted] = facts
    if (granted?.name !== 'ConsentGranted') throw new Error('no grant')
    expect(granted.args).toMatchObject({ patient: at.patient, grantee: at.entity, label: grant.labels[0], actions: 5 })
    expect(granted.args.packageHash).toBe(grant.packageHash)
    const { from, to, purposes, categories } = grant
    expect(consentWord(granted.args.consent)).toMatchObject({ from, to, purposes, categories, epoch: 0, flags: 1 })
    const stored = await at.reader.read(
      'ConsentRegistry',
      'consentOf',
      at.patient,
      at.entity,
      grant.labels[0] ?? ZERO,
      2,
    )
    expect(stored).toEqual(consentWord(granted.args.consent))
    expect([await check(grant), await check(grant, ALL_LABELS), await check(grant, randomId())]).toEqual([
      true,
      true,
      false,
    ])

    const nonce = await at.reader.read('ConsentRegistry', 'revocationNonce', at.patient)
    const { patient, grantee, labels } = grant
    await relay('Revocation', { patient, grantee, labels, actions: 0b1, nonce, deadline: now() + DAY })
    expect(await check(grant)).toBe(false)
    expect(await at.reader.denials([{ ...grant, label: ALL_LABELS, action: 0, purpose: 1, categories: 1n }])).toEqual([
      1,
    ])
  })

  it('relays a compact grant for less, and many at once', async () => {
    const full = await grantOf()
    const dear = await relay('Grant', full)
    const compacts = []
    for (let i = 0; i < 3; i++) {
      const grant = await grantOf({ actions: 1 << i })
      const signature = await signTypedData(at.wallet, typedData(at.contracts, 'Grant', grant))
      const compact = compactGrant(grant, signature)
      if (!compact) throw new Error('not compact')
      compacts.push(compact)
      expect(compactGrant({ ...grant, labels: [randomId(), randomId()] }, signature)).toBeNull()
      expect(compactGrant({ ...grant, actions: 3 }, signature)).toBeNull()
      expect(compactGrant({ ...grant, policyHash: randomId() }, signature)).toBeNull()
      expect(compactGrant(grant, '0x1234')).toBeNull()
    }
    const one = await at.run(at.operator, compactGrantCall(at.contracts, compacts.slice(0, 1)))
    expect(one.gasUsed).toBeLessThan(dear.gasUsed)
    const batch = await at.run(at.operator, compactGrantCall(at.contracts, compacts))
    const names = batch.logs.map((log) => at.contracts.decode(log)?.name)
    expect(names).toEqual(['RelaySkipped', 'ConsentGranted', 'ConsentGranted'])
  })

  it('accepts every other signed action', async () => {
    const { patient } = at
    const deadline = now() + DAY
    const revocation = async (): Promise<bigint> => at.reader.read('ConsentRegistry', 'revocationNonce', patient)
    const identity = async (): Promise<bigint> => at.reader.read('IdentityRegistry', 'nonces', patient)
    const delegateWallet = Wallet.createRandom()
    const delegate = randomId()
    const registration = {
      id: delegate,
      controller: delegateWallet.address as Hex,
      validFrom: 0,
      validTo: OPEN_END,
      credential: ZERO,
      encryptionKey: `0x03${randomId().slice(2)}` as Hex,
      endpoint: '',
    }
    await at.run(at.operator, at.contracts.write('IdentityRegistry', 'registerPractitioner', at.entity, registration))
    const label = randomId()
    const bounds = await grantOf({ labels: [label], actions: 0b11, to: now() + 2 * DAY })
    await relay('Delegation', { ...bounds, delegate })
    const inner = await grantOf({ labels: [label], actions: 0b1 })
    await relay('DelegatedGrant', { delegate, consent: inner }, delegateWallet)
    expect(await check(inner)).toBe(true)
    await relay('RevokeDelegation', { patient, delegate, labels: [label], nonce: await revocation(), deadline })
    await relay('EmergencyVeto', { patient, vetoed: true, nonce: await revocation(), deadline })
    expect(await at.reader.read('ConsentRegistry', 'emergencyVetoed', patient)).toBe(true)
    const { grantee, labels, actions, purposes, categories, from, to } = inner
    const request = { patient, grantee, labels, actions, purposes, categories, from, to, reasonHash: randomId() }
    const asked = await at.run(at.operator, at.contracts.write('ConsentRegistry', 'requestAccess', request))
    const fact = asked.logs.map((log) => at.contracts.decode(log))[0]
    if (fact?.name !== 'AccessRequested') throw new Error('no request')
    expect(fact.args.terms).toEqual(request)
    await relay('RefuseAccess', { patient, request: fact.args.request, deadline })
    await relay('RevokeAll', { patient, nonce: await revocation(), deadline })
    expect(await at.reader.read('ConsentRegistry', 'epochOf', patient)).toBe(1)
    const big = BigInt(deadline)
    await relay('ExpectProviders', {
      patient,
      commitments: [randomId(), randomId()],
      nonce: await identity(),
      deadline: big,
    })
    const guardian = Wallet.createRandom()
    await relay('SetGuardian', {
      patient,
      party: patient,
      guardian: guardian.address as Hex,
      nonce: await identity(),
      deadline: big,
    } as SignedActions['SetGuardian'])
    expect(await at.reader.read('IdentityRegistry', 'guardianOf', patient)).toBe(guardian.address.toLowerCase())
  })

  it('claims a patient out of custody', async () => {
    const wallet = Wallet.createRandom()
    const party = at.custodial
    expect(await at.reader.read('IdentityRegistry', 'custodianOf', party)).toBe(at.entity)
    const nonce = await at.reader.read('IdentityRegistry', 'nonces', party)
    const message = { party, controller: wallet.address as Hex, nonce, deadline: BigInt(now() + DAY) }
    const receipt = await relay('ChangeController', message, wallet)
    expect(receipt.logs.map((log) => at.contracts.decode(log)?.name)).toContain('CustodyEnded')
    expect(await at.reader.read('IdentityRegistry', 'custodianOf', party)).toBe(ZERO)
  })

  it('knows the signer, and the payload that a wallet shows', async () => {
    const data = typedData(at.contracts, 'Grant', await grantOf())
    const signature = await signTypedData(at.wallet, data)
    expect(signerOf(data, signature)).toBe(at.wallet.address.toLowerCase())
    for (const bad of ['0x', signature.slice(0, -2), `${signature}00`, `${signature.slice(0, -2)}00`]) {
      expect(signerOf(data, bad as Hex)).toBeNull()
    }
    expect(digestOf(data)).toMatch(/^0x[0-9a-f]{64}$/)
    const payload = JSON.parse(JSON.stringify(walletPayload(data))) as { types: object; primaryType: string }
    expect(payload.primaryType).toBe('Grant')
    expect(Object.keys(payload.types).sort()).toEqual(['EIP712Domain', 'Grant'])
  })

  it('names the reason of a refusal', async () => {
    const foreign = Wallet.createRandom()
    const grant = await grantOf()
    await expect(relay('Grant', grant, foreign)).rejects.toMatchObject({
      reason: 'InvalidSignature',
      kind: 'forbidden',
    })
    const late = await grantOf({ deadline: now() - DAY })
    await expect(relay('Grant', late)).rejects.toMatchObject({
      reason: 'SignatureExpired',
      issues: [{ code: 'expired' }],
    })
    await relay('Grant', grant)
    const again: unknown = await relay('Grant', grant).catch((error: unknown) => error)
    if (!(again instanceof ContractRefusal) || !again.is('InvalidNonce')) throw new Error('no refusal')
    expect(again.kind).toBe('conflict')
    expect(again.args.given).toBe(grant.nonce)
    expect(again.message).toContain('Sign again')
    const backwards = await grantOf({ from: now(), to: now() - 1 })
    await expect(relay('Grant', backwards)).rejects.toMatchObject({ reason: 'InvalidPeriod', kind: 'invalid' })
    const call = at.contracts.write('IdentityRegistry', 'proposeAdministrator', at.operator.address)
    await expect(at.run(at.operator, call)).rejects.toMatchObject({ reason: 'NotAdministrator' })
  })

  it('anchors a batch once, however often it is sent', async () => {
    const root = randomId()
    const call = at.contracts.write('RecordAnchors', 'anchor', at.entity, 0, root, randomId(), 17)
    const receipt = await at.run(at.operator, call)
    expect(receipt.logs.map((log) => at.contracts.decode(log))).toMatchObject([
      { contract: 'RecordAnchors', name: 'RecordsAnchored', args: { entity: at.entity, root, count: 17 } },
    ])
    await expect(at.run(at.operator, call)).rejects.toMatchObject({ reason: 'AlreadyAnchored', args: { next: 1 } })
  })

  it('proves words, and that there is none, to whoever trusts the hash of a block alone', async () => {
    const grant = await grantOf()
    await relay('Grant', grant)
    const key = { ...grant, label: grant.labels[0] ?? ZERO, action: 0 }
    const { ConsentRegistry: registry, IdentityRegistry: identity } = at.contracts.addresses
    const slots = [consentSlot(key), consentSlot({ ...key, label: randomId() }), accountSlot(grant.patient)]
    const proof = await stateProof(at.reader.rpc, [
      { address: registry, slots },
      { address: identity, slots: [standingSlot(grant.grantee)] },
    ])
    const shown = verifyState(proof)
    const [word = ZERO, none = ZERO, account = ZERO] = slots
    expect(consentWord(shown.word(registry, word))).toMatchObject({ from: grant.from, to: grant.to, purposes: TREAT })
    expect(shown.word(registry, none)).toBe(0n)
    expect(() => shown.word(registry, randomId())).toThrow(/a word is not in it/)
    expect(shown.block.hash).toBe((await header(at.reader.rpc, shown.block.number)).hash)
    // Where the words are, the contracts say too; the standing tells its kind, entity.
    expect(account).toBe(await at.reader.read('ConsentRegistry', 'accountSlotOf', grant.patient))
    expect(word).toBe(
      await at.reader.read('ConsentRegistry', 'slotOf', key.patient, key.grantee, key.label, key.action),
    )
    expect(Number((shown.word(identity, standingSlot(grant.grantee)) >> 160n) & 0xffn)).toBe(
      await at.reader.read('IdentityRegistry', 'kindOf', grant.grantee),
    )

    const [first, ...others] = proof.accounts
    const [proven, ...rest] = first?.words ?? []
    const [node = '0x', ...nodes] = proven?.nodes ?? []
    const withNodes = (changed: readonly Hex[]) => ({
      ...proof,
      accounts: [{ ...first!, words: [{ ...proven!, nodes: changed }, ...rest] }, ...others],
    })
    for (const bad of [
      withNodes(nodes),
      withNodes([`${node.slice(0, -1)}${node.endsWith('0') ? '1' : '0'}` as Hex, ...nodes]),
      { ...proof, accounts: [{ ...first!, nodes: first!.nodes.slice(0, -1) }, ...others] },
      { ...proof, accounts: [{ ...first!, address: identity }, ...others] },
    ]) {
      expect(() => verifyState(bad)).toThrow(/does not hold/)
    }
    const header1 =
      `${proof.header.slice(0, 30)}${proof.header[30] === '0' ? '1' : '0'}${proof.header.slice(31)}` as Hex
    expect(verifyState({ ...proof, header: header1 }).block.hash).not.toBe(shown.block.hash)
    expect(() => verifyState({ ...proof, header: proof.header.slice(0, -2) as Hex })).toThrow(/malformed/)
  })

  it('answers many questions in one go', async () => {
    const grant = await grantOf()
    await relay('Grant', grant)
    const question = { ...grant, label: grant.labels[0] ?? ZERO, action: 0, purpose: TREAT, categories: 1n }
    const questions = Array.from({ length: 300 }, (_, i) => (i % 5 ? { ...question, label: randomId() } : question))
    const [label] = grant.labels
    const args = [grant.patient, grant.grantee, label ?? ZERO, 0n, BigInt(TREAT), 1n] as const
    for (const name of ['check', 'denial'] as const) {
      expect(questionData(name, question)).toBe(at.contracts.read('ConsentRegistry', name, ...args).data)
    }
    const answers = await at.reader.check(questions)
    expect(answers).toEqual(questions.map((_, i) => i % 5 === 0))
    const denials = await at.reader.denials(questions)
    expect(denials).toEqual(questions.map((_, i) => (i % 5 === 0 ? 0 : 1)))
    const { number } = await header(node.rpc, 'latest')
    const { hash } = await header(node.rpc, number - 1)
    expect(await at.reader.check([question, question], { blockHash: hash })).toEqual([false, false])
    const batch = node.rpc.batch.bind(node.rpc)
    try {
      // A node that runs no code without an address.
      node.rpc.batch = async (calls) =>
        (await batch(calls)).map((answer, i) =>
          (calls[i]?.params?.[0] as { to?: Hex }).to
            ? answer
            : new RpcError('eth_call', -32_602, 'to is missing', null),
        )
      expect(await at.reader.check(questions)).toEqual(answers)
    } finally {
      node.rpc.batch = batch
    }
    const AuditLog = at.contracts.addresses.AuditLog
    const elsewhere = new Contracts(node.chainId, { ...at.contracts.addresses, ConsentRegistry: AuditLog })
    await expect(new LedgerReader(node.rpc, elsewhere).denials([question, question])).rejects.toThrow(ConsentryError)
  })

  it('knows its deployment again, and refuses one that is not there', async () => {
    const { rpc, chainId } = node
    const options = { rpc, sender: at.administrator, chainId, recoveryDelaySeconds: 3_600 }
    const keep = async (): Promise<void> => Promise.reject(new Error('nothing new to keep'))
    const { contracts } = await ensureDeployed({ ...options, known: at.deployment, keep })
    expect(contracts.addresses).toEqual(at.contracts.addresses)
    const stranger: Deployment = { ...at.deployment, chainId: 5 }
    await expect(verifyDeployment(rpc, stranger)).rejects.toThrow(/of chain \d+, our contracts are on chain 5/)
    const AuditLog = Wallet.createRandom().address as Hex
    const gone: Deployment = { ...at.deployment, addresses: { ...at.deployment.addresses, AuditLog } }
    await expect(verifyDeployment(rpc, gone)).rejects.toThrow(/holds no AuditLog/)
    const other = await deploy(at.administrator, chainId, 3_600)
    const { ConsentRegistry } = other.addresses
    const mixed = { ...at.deployment, addresses: { ...at.deployment.addresses, ConsentRegistry } }
    await expect(verifyDeployment(rpc, mixed)).rejects.toThrow(/another consent registry/)
    let kept: Deployment | undefined
    const fresh = await ensureDeployed({ ...options, known: null, keep: async (d) => void (kept = d) })
    expect(kept).toEqual(fresh.deployment)
  })
}

describe('the contracts on anvil', () => {
  suite(() => startAnvilNode())

  it('is unavailable when the node is down', async () => {
    const rpc = new Rpc('ws://127.0.0.1:9', { timeoutMs: 1_000 })
    await expect(rpc.send('eth_chainId')).rejects.toMatchObject({ kind: 'unavailable' })
    await rpc.close()
  })
})

describe.skipIf(!gethBinary)(`the contracts on geth (${gethBinary ? 'found' : gethMissing})`, () => {
  suite(() => startGethNode())
})

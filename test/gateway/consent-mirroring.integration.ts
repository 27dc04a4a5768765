import { randomBytes } from 'node:crypto'
import { Wallet } from 'ethers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../src/auth/principal.js'
import { labelId } from '../../src/consent/labels.js'
import { ownProfiles } from '../../src/fhir/profiles.js'
import { validate } from '../../src/fhir/validate.js'
import { ConsentMirroring } from '../../src/gateway/consent/mirroring.js'
import type { GatewayParts } from '../../src/gateway/parts.js'
import type { Call } from '../../src/ledger/contracts.js'
import type { Hex } from '../../src/ledger/hex.js'
import { type Grant, relayCall, signTypedData, typedData } from '../../src/ledger/typed-data.js'
import { PolicyDocuments } from '../../src/exchange/policy-documents.js'
import { BlindIndex } from '../../src/records/blind-index.js'
import { hospital, type Hospital } from '../audit/support/hospital.js'
import { atHead, partsOf } from './hospital-parts.js'
import { ALL_CATEGORIES, ALL_LABELS, OPEN_END, randomId, ZERO } from '../ledger/support/consortium.js'

let h: Hospital
let parts: GatewayParts
const clinic = randomId()
const general = labelId('general')
const HIV = labelId('HIV')
/** Milliseconds that the gateway's clock is ahead of the machine's. */
let ahead = 0
const clock = (): number => Date.now() + ahead

beforeAll(async () => {
  h = await hospital()
  const registration = {
    id: clinic,
    controller: Wallet.createRandom().address.toLowerCase() as Hex,
    validFrom: 0,
    validTo: OPEN_END,
    credential: ZERO,
    encryptionKey: `0x02${randomBytes(32).toString('hex')}` as Hex,
    endpoint: 'https://clinic.example',
  }
  await h.run(h.administrator, h.contracts.write('IdentityRegistry', 'registerEntity', registration))
  parts = await partsOf(h, clock)
})
afterAll(() => h.stop())

function mirroringOf(over: Partial<GatewayParts> = {}): ConsentMirroring {
  const documents = new PolicyDocuments(h.database, new BlindIndex(new Uint8Array(32)), new Uint8Array(32))
  const ledger = { chainId: h.contracts.chainId, contract: h.contracts.addresses.ConsentRegistry }
  return new ConsentMirroring({ ...parts, ...over }, h.database, ledger, documents, clock, () => undefined)
}

/** The follower arrives at the head, and the rounds after it are done. */
async function mirrored(): Promise<void> {
  const mirroring = mirroringOf()
  await h.follow([mirroring], () => atHead(h))
  await rounds(mirroring)
}

async function rounds(mirroring: ConsentMirroring): Promise<void> {
  mirroring.start()
  for (let i = 0; i < 1_000; i++) {
    const { rows } = await h.database.query<{ n: bigint }>(
      `SELECT count(*) AS n FROM outbox WHERE kind = 'consent-mirror' AND done_at IS NULL`,
    )
    if (rows[0]?.n === 0n) break
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await mirroring.stop()
}

const GATEWAY: Omit<Principal, 'entity'> = {
  clientId: 'test',
  role: 'system',
  scopes: [],
  purposes: ['TREAT'],
  tokenId: '',
  expiresAt: 0,
}

interface Told {
  readonly id: string
  readonly version: number
  // The tests look into it freely.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly body: any
}

/** The Consents of a patient as the hospital reads them, the oldest first. */
async function consents(patient: Hex): Promise<Told[]> {
  const { rows } = await h.database.query<{ id: string }>(
    `SELECT id FROM resource WHERE type = 'Consent' AND patient = $1 ORDER BY pk`,
    [Buffer.from(patient.slice(2), 'hex')],
  )
  const found = (await h.records.read(rows.map(({ id }) => ({ type: 'Consent', id })))).flatMap((row) => row ?? [])
  const permit = await parts.access.permit({ ...GATEWAY, entity: h.entity }, 'read', found)
  const bodies = await parts.bodies.open(permit, found)
  return found.map(({ id, version }, i) => ({
    id,
    version,
    body: JSON.parse(Buffer.from(bodies[i] as Uint8Array).toString()),
  }))
}

const states = async (patient: Hex): Promise<string[]> =>
  (await consents(patient)).map(({ body }) => body.status as string)
const places = ({ body }: Told) =>
  (body.extension[0].extension as { url: string; valueString: string }[]).find(({ url }) => url === 'blockNumber')
    ?.valueString

async function grantOf(patient: Hex, over: Partial<Grant> = {}): Promise<Grant> {
  const now = Math.floor(Date.now() / 1000)
  return {
    patient,
    grantee: clinic,
    labels: [general],
    actions: 0b11,
    purposes: 1,
    categories: ALL_CATEGORIES,
    from: now - 60,
    to: OPEN_END,
    packageHash: randomId(),
    policyHash: ZERO,
    nonce: await h.reader.read('ConsentRegistry', 'grantNonce', patient),
    deadline: now + 3_600,
    ...over,
  }
}

const send = (call: Call) => h.run(h.operator, call)
const granted = async (over: Partial<Grant> = {}) =>
  send(h.contracts.write('ConsentRegistry', 'grant', await grantOf(h.custodial, over)))

describe('the Consents that mirror the ledger', () => {
  it('tell a grant that was signed in a wallet and relayed by somebody, without the care grants', async () => {
    const care = { grantee: h.entity, labels: [ALL_LABELS], actions: 0b111111, purposes: 0x7f, packageHash: ZERO }
    for (const over of [care, { labels: [general, HIV] }]) {
      const grant = await grantOf(h.patient, over)
      const signature = await signTypedData(h.wallet, typedData(h.contracts, 'Grant', grant))
      await send(relayCall(h.contracts, 'Grant', grant, signature))
    }
    await mirrored()
    const all = await consents(h.patient)
    expect(all).toHaveLength(1)
    const [told] = all as [Told]
    expect(told.body).toMatchObject({
      status: 'active',
      patient: { reference: 'Patient/p0' },
      meta: { security: [{ code: 'HIV' }] },
      verification: [{ verified: true }],
      provision: { type: 'permit', purpose: [{ code: 'TREAT' }] },
    })
    const { provision } = told.body
    expect(provision.actor[0].reference.identifier.value).toBe(clinic)
    expect(provision.securityLabel.map(({ code }: { code: string }) => code)).toEqual(['general', 'HIV'])
    expect(provision.action.map((a: { coding: { code: string }[] }) => a.coding[0]?.code)).toEqual(['read', 'create'])
    const { resource, issues } = validate(told.body)
    expect([issues, resource && ownProfiles().judge(resource)]).toEqual([[], []])
    expect(await states(h.custodial)).toEqual([])
  })

  it('follow a revocation that anybody relayed, and take it back with a reorganisation', async () => {
    const before = (await consents(h.patient))[0] as Told
    const snapshot = await h.node.rpc.send('evm_snapshot')
    const revocation = {
      patient: h.patient,
      grantee: clinic,
      labels: [general, HIV],
      actions: 0b11,
      nonce: await h.reader.read('ConsentRegistry', 'revocationNonce', h.patient),
      deadline: Math.floor(Date.now() / 1000) + 3_600,
    }
    const signature = await signTypedData(h.wallet, typedData(h.contracts, 'Revocation', revocation))
    const receipt = await send(relayCall(h.contracts, 'Revocation', revocation, signature))
    await mirrored()
    const revoked = (await consents(h.patient))[0] as Told
    expect([revoked.version, revoked.body.status, revoked.body.verification[0].verified]).toEqual([
      2,
      'inactive',
      false,
    ])
    expect(places(revoked)).toBe(String(receipt.blockNumber))
    await h.node.rpc.send('evm_revert', [snapshot])
    await h.node.rpc.send('anvil_mine', ['0x3'])
    await mirrored()
    const again = (await consents(h.patient))[0] as Told
    const { meta: _, ...elements } = before.body
    expect(again.body).toMatchObject(elements)
    expect([again.version, places(again)]).toEqual([3, places(before)])
    // What was said stays said, and nothing more is while nothing changes.
    await mirroringOf().settle([h.patient])
    expect((await consents(h.patient))[0]?.version).toBe(3)
  })

  it('say no more than what is left of a grant, and of one that another one replaced', async () => {
    await granted({ labels: [general, HIV] })
    await send(h.contracts.write('ConsentRegistry', 'revokeLabel', h.custodial, clinic, HIV, 0b11))
    await mirrored()
    const partly = (await consents(h.custodial))[0] as Told
    expect(partly.body.status).toBe('active')
    expect(partly.body.provision.securityLabel.map(({ code }: { code: string }) => code)).toEqual(['general'])
    await send(h.contracts.write('ConsentRegistry', 'revokeLabel', h.custodial, clinic, general, 0b10))
    await mirrored()
    const less = (await consents(h.custodial))[0] as Told
    expect(less.body.provision.action.map((a: { coding: { code: string }[] }) => a.coding[0]?.code)).toEqual(['read'])
    await granted({ actions: 0b1 })
    await mirrored()
    expect(await states(h.custodial)).toEqual(['inactive', 'active'])
    // A grant of another action stands beside it: neither touches the other.
    await granted({ actions: 0b10 })
    await mirrored()
    expect(await states(h.custodial)).toEqual(['inactive', 'active', 'active'])
  })

  it('end with their period, by the clock alone', async () => {
    const to = Math.floor(Date.now() / 1000) + 1_000
    await granted({ actions: 0b100, to })
    await mirrored()
    const last = async () => (await consents(h.custodial)).at(-1) as Told
    expect((await last()).body).toMatchObject({ status: 'active', provision: { period: {} } })
    ahead = 1_001_000
    try {
      await rounds(mirroringOf())
      await mirroringOf().settle([h.custodial])
      const ended = await last()
      expect([ended.version, ended.body.status]).toEqual([2, 'inactive'])
    } finally {
      ahead = 0
    }
    await mirroringOf().settle([h.custodial])
  })

  it('are written once, wherever the gateway dies', async () => {
    await granted({ actions: 0b1000 })
    let failed = 0
    const dying = {
      records: Object.assign(Object.create(h.records) as typeof h.records, {
        read: (refs: Parameters<typeof h.records.read>[0]) => h.records.read(refs),
        commit: () => {
          failed++
          return Promise.reject(new Error('gone'))
        },
      }),
    }
    await h.follow([], async () => {
      const { rows } = await h.database.query<{ number: bigint }>('SELECT number FROM chain_cursor')
      return Number(rows[0]?.number) === Number(await h.node.rpc.send('eth_blockNumber'))
    })
    const before = (await consents(h.custodial)).length
    await expect(mirroringOf(dying).settle([h.custodial])).rejects.toThrow('gone')
    expect([failed, (await consents(h.custodial)).length]).toEqual([1, before])
    await mirroringOf().settle([h.custodial])
    await mirroringOf().settle([h.custodial])
    const after = await consents(h.custodial)
    expect([after.length, after.at(-1)?.version, after.at(-1)?.body.status]).toEqual([before + 1, 1, 'active'])
  })

  it('become mistakes when a reorganisation takes the grant itself, and hold again when it comes back', async () => {
    const snapshot = await h.node.rpc.send('evm_snapshot')
    const over = { actions: 0b10000, packageHash: randomId(), from: 1_700_000_000 }
    await granted(over)
    await mirrored()
    expect((await states(h.custodial)).at(-1)).toBe('active')
    await h.node.rpc.send('evm_revert', [snapshot])
    await h.node.rpc.send('anvil_mine', ['0x3'])
    await mirrored()
    const gone = (await consents(h.custodial)).at(-1) as Told
    expect([gone.body.status, gone.body.extension, gone.body.verification]).toEqual([
      'entered-in-error',
      undefined,
      undefined,
    ])
    const count = (await consents(h.custodial)).length
    await granted(over)
    await mirrored()
    const back = await consents(h.custodial)
    expect([back.length, back.at(-1)?.body.status]).toEqual([count, 'active'])
  })

  it('end all together with revokeAll, told from the ledger alone since the hospital may read nothing any more', async () => {
    const before = await consents(h.custodial)
    await send(h.contracts.write('ConsentRegistry', 'revokeAll', h.custodial))
    await mirrored()
    await expect(consents(h.custodial)).rejects.toThrow('No consent of the patient')
    // The hospital gets its care grant back, and reads what was written meanwhile.
    await send(
      h.contracts.write('ConsentRegistry', 'grant', {
        ...(await grantOf(h.custodial)),
        grantee: h.entity,
        labels: [ALL_LABELS],
        actions: 0b111111,
        purposes: 0x7f,
        packageHash: ZERO,
      }),
    )
    await mirrored()
    const after = await consents(h.custodial)
    expect(after.map(({ body }) => body.status)).toEqual(before.map(() => 'inactive'))
    for (const { body } of after) {
      const { resource, issues } = validate(body)
      expect([issues, resource && ownProfiles().judge(resource)]).toEqual([[], []])
    }
  })
})

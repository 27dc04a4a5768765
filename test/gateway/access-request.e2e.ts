import { setTimeout as sleep } from 'node:timers/promises'
import { Wallet } from 'ethers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requestToken } from '../../src/cli/access-token.js'
import { labelId } from '../../src/consent/labels.js'
import type { Hex } from '../../src/ledger/hex.js'
import { relayCall, signTypedData, typedData } from '../../src/ledger/typed-data.js'
import { eventually } from '../ledger/support/eventually.js'
import { randomId, ZERO } from '../ledger/support/consortium.js'
import { makeClient } from '../support/clients.js'
import { type Answer, ConsentGateway, observation } from './consent-gateway.js'

/** One real gateway whose patients have closed their record to it; it asks them. */
let gateway: ConsentGateway
const WHY = 'To see your laboratory results before the operation.'
const parameters = (...parameter: unknown[]) => ({
  resourceType: 'Parameters',
  ...(parameter.length === 0 ? {} : { parameter }),
})
const code = (name: string, valueCode: string) => ({ name, valueCode })
const period = (end: number, start?: number) => ({
  name: 'period',
  valuePeriod: {
    ...(start === undefined ? {} : { start: new Date(start).toISOString() }),
    end: new Date(end).toISOString(),
  },
})
const MONTH = 30 * 86_400_000
const reason = { name: 'reason', valueString: WHY }
const issues = (answer: Answer): string => JSON.stringify(answer.body.issue)

beforeAll(async () => {
  gateway = await ConsentGateway.shared()
  gateway.tokens['privacy'] = await gateway.token('privacy')
})
afterAll(() => gateway?.close())

/** A patient in custody, whose record is still open to the hospital. */
async function newPatient(): Promise<{ patient: string; result: string; psychiatric: string; ledgerId: Hex }> {
  const patient = await gateway.create({ resourceType: 'Patient', name: [{ family: 'Asked' }] })
  const result = await gateway.create(observation(patient))
  const security = [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'PSY' }]
  const psychiatric = await gateway.create(observation(patient, { meta: { security } }))
  const ledgerId = await gateway.ledgerId(patient)
  return { patient, result, psychiatric, ledgerId }
}
const close = async (patient: string, ledgerId: Hex): Promise<void> => {
  const { reader } = await gateway.ledger()
  await gateway.send(reader.contracts.write('ConsentRegistry', 'revokeAll', ledgerId))
  await eventually(async () => (await gateway.ask('GET', `/Patient/${patient}`)).status).toBe(403)
}
const asks = (patient: string, ...more: unknown[]) =>
  gateway.ask(
    'POST',
    `/Patient/${patient}/$request-access`,
    parameters(
      code('label', 'general'),
      code('label', 'PSY'),
      code('purpose', 'TREAT'),
      period(Date.now() + MONTH),
      reason,
      ...more,
    ),
  )
const on = (task: string, name: string, parameter: unknown[] = [], as = 'ehr') =>
  gateway.ask('POST', `/Task/${task}/$${name}`, parameters(...parameter), { as })
const task = async (id: string) => (await gateway.ask('GET', `/Task/${id}`)).body
const read = async (id: string) => (await gateway.ask('GET', `/Observation/${id}`)).status
const stateOf = async (id: string) => {
  const { status, businessStatus } = await task(id)
  return [status, businessStatus.coding[0].code]
}

/** What a wallet makes of the data that it is shown. */
async function signed(wallet: Pick<Wallet, 'signTypedData'>, answer: Answer) {
  const { valueString } = answer.body.parameter.find(({ name }: { name: string }) => name === 'typedData')
  const { domain, types, message } = JSON.parse(valueString as string) as {
    domain: object
    types: Record<string, { name: string; type: string }[]>
    message: { deadline: string | number }
  }
  const { EIP712Domain: _, ...own } = types
  return {
    signature: { name: 'signature', valueString: await wallet.signTypedData(domain, own, message) },
    deadline: { name: 'deadline', valueString: String(message.deadline) },
  }
}

describe('a request to a patient with a wallet who has closed the record', () => {
  const wallet = Wallet.createRandom()
  let patient: string
  let ledgerId: Hex
  let result: string
  let psychiatric: string
  beforeAll(async () => {
    ;({ patient, ledgerId, result, psychiatric } = await newPatient())
    await gateway.claim(ledgerId, wallet)
    const { reader } = await gateway.ledger()
    const nonce = await reader.read('ConsentRegistry', 'revocationNonce', ledgerId)
    const deadline = Math.floor(Date.now() / 1000) + 3_600
    const message = { patient: ledgerId, nonce, deadline }
    const signature = await signTypedData(wallet, typedData(reader.contracts, 'RevokeAll', message))
    await gateway.send(relayCall(reader.contracts, 'RevokeAll', message, signature))
    while ((await gateway.ask('GET', `/Patient/${patient}`)).status !== 403) await sleep(20)
  })

  it('is a Task of the terms, permits nothing, and is readable though nothing else is', async () => {
    const asked = await asks(patient)
    expect([asked.status, asked.body.status, asked.body.businessStatus.coding[0].code], asked.text).toEqual([
      200,
      'requested',
      'open',
    ])
    expect(asked.body).toMatchObject({
      for: { reference: `Patient/${patient}` },
      reasonCode: { text: WHY },
      intent: 'proposal',
    })
    expect(asked.body.extension).toHaveLength(1)
    expect([await read(result), await read(psychiatric)]).toEqual([403, 403])
    const found = await gateway.ask('GET', `/Task?patient=Patient/${patient}&status=requested`)
    expect([found.body.total, found.body.entry[0].resource.id]).toEqual([1, asked.body.id])
    const { rpc, reader } = await gateway.ledger()
    const logs = JSON.stringify(
      await rpc.send('eth_getLogs', [{ address: reader.contracts.addresses.ConsentRegistry, fromBlock: '0x0' }]),
    )
    expect(logs).not.toContain(Buffer.from('laboratory').toString('hex'))
    expect((await on(asked.body.id, 'withdraw')).body.status).toBe('cancelled')
  })

  it('is narrowed by the patient’s signature to less, and to no more than was asked for', async () => {
    const { body } = await asks(patient, code('action', 'read'), code('action', 'create'))
    const id = body.id as string
    const beyond: [string, unknown[]][] = [
      ['label', [code('label', 'HIV')]],
      ['label', [code('label', 'general'), code('label', 'SUD')]],
      ['action', [code('action', 'export')]],
      ['purpose', [code('purpose', 'HRESCH')]],
      ['period', [period(Date.now() + 2 * MONTH)]],
      ['period', [period(Date.now() - 1_000)]],
    ]
    for (const [name, more] of beyond) {
      const refused = await on(id, 'accept', more)
      expect([refused.status, issues(refused)]).toEqual([422, expect.stringContaining(`parameter:${name}`)])
    }
    expect((await on(id, 'accept', [code('label', 'nonsense')])).status).toBe(422)
    expect((await on(id, 'accept', [code('purpose', 'BTG')])).status).toBe(422)
    const less = [code('label', 'general'), code('action', 'read'), period(Date.now() + MONTH / 2)]
    const proposed = await on(id, 'accept', less)
    expect(proposed.status, proposed.text).toBe(200)
    const { signature } = await signed(wallet, proposed)
    const foreign = await signed(Wallet.createRandom(), proposed)
    expect((await on(id, 'accept', [foreign.signature])).status).toBe(422)
    expect((await on(id, 'accept', [signature, code('label', 'general')])).status).toBe(422)
    expect(await read(result)).toBe(403)
    const done = await on(id, 'accept', [signature])
    expect([done.status, done.body.status, done.body.businessStatus.coding[0].code], done.text).toEqual([
      200,
      'completed',
      'narrowed',
    ])
    expect([await read(result), await read(psychiatric)]).toEqual([200, 403])
    const consent = done.body.output[0].valueReference.reference as string
    const given = done.body.output.flatMap((each: { valueCoding?: { code: string } }) => each.valueCoding?.code ?? [])
    expect(given).toEqual(['general', 'read', 'TREAT'])
    const told = await gateway.ask('GET', `/${consent}`)
    expect([told.body.status, told.body.provision.securityLabel.length], told.text).toEqual(['active', 1])
    for (const name of ['accept', 'refuse', 'withdraw'])
      expect([name, (await on(id, name)).status]).toEqual([name, 409])
    // The same signature answers nothing else.
    const next = (await asks(patient)).body.id as string
    expect((await on(next, 'accept', [signature])).status).toBe(409)
    expect((await on(next, 'withdraw')).status).toBe(200)
  })

  it('is accepted whole, by $sign of the Consent that it proposes, where the record is open to whoever sends that', async () => {
    const { patient: open, ledgerId: id } = await newPatient()
    await gateway.claim(id, wallet)
    const { body } = await asks(open)
    const proposed = await on(body.id, 'accept')
    const consent = (proposed.body.parameter[0].valueReference.reference as string).split('/')[1] as string
    const { signature } = await signed(wallet, proposed)
    const active = await gateway.operation(consent, 'sign', [signature])
    expect([active.status, active.body.status], active.text).toEqual([200, 'active'])
    await eventually(() => stateOf(body.id)).toEqual(['completed', 'accepted'])
  })

  it('is refused by signature, and by nobody else’s', async () => {
    const { body } = await asks(patient)
    const data = await on(body.id, 'refuse')
    const { signature, deadline } = await signed(wallet, data)
    const foreign = await signed(Wallet.createRandom(), data)
    expect((await on(body.id, 'refuse', [foreign.signature, deadline])).status).toBe(422)
    expect((await on(body.id, 'refuse', [signature, { ...deadline, valueString: '9999999999' }])).status).toBe(422)
    expect((await on(body.id, 'refuse', [await gateway.form((await newPatient()).patient)], 'wallet')).status).toBe(403)
    const done = await on(body.id, 'refuse', [signature, deadline])
    expect([done.status, done.body.status, done.body.businessStatus.coding[0].code], done.text).toEqual([
      200,
      'rejected',
      'declined',
    ])
  })

  it('is answered by the wallet alone, without this gateway, and told all the same', async () => {
    const { patient: other, ledgerId: id } = await newPatient()
    await gateway.claim(id, wallet)
    const { reader, keys } = await gateway.ledger()
    const first = (await asks(other)).body.id as string
    const second = (await asks(other)).body
    const now = Math.floor(Date.now() / 1000)
    const refusal = { patient: id, request: second.identifier[0].value as Hex, deadline: now + 3_600 }
    const no = await signTypedData(wallet, typedData(reader.contracts, 'RefuseAccess', refusal))
    await gateway.send(relayCall(reader.contracts, 'RefuseAccess', refusal, no))
    await eventually(() => stateOf(second.id)).toEqual(['rejected', 'declined'])
    const grant = {
      patient: id,
      grantee: keys.id,
      labels: [labelId('general')],
      actions: 1,
      purposes: 1,
      categories: 2n ** 64n - 1n,
      from: now,
      to: now + 86_400,
      packageHash: randomId(),
      policyHash: ZERO,
      nonce: await reader.read('ConsentRegistry', 'grantNonce', id),
      deadline: now + 3_600,
    }
    const yes = await signTypedData(wallet, typedData(reader.contracts, 'Grant', grant))
    await gateway.send(relayCall(reader.contracts, 'Grant', grant, yes))
    await eventually(() => stateOf(first)).toEqual(['completed', 'narrowed'])
  })

  it('has a Provenance for each step, and the events are in the trail', async () => {
    const { body } = await gateway.ask('GET', `/Task?patient=Patient/${patient}&status=rejected`)
    const id = body.entry[0].resource.id as string
    const found = await gateway.ask('GET', `/Provenance?target=Task/${id}&_count=50`, undefined, { as: 'auditor' })
    const performers = found.body.entry.map(
      ({
        resource,
      }: {
        resource: { target: { reference: string }[]; agent: { who: { identifier: { value: string } } }[] }
      }) => [resource.target[0]?.reference, resource.agent[1]?.who.identifier.value],
    )
    const { keys } = await gateway.ledger()
    expect(performers).toContainEqual([`Task/${id}/_history/2`, keys.id])
    expect(performers).toContainEqual([`Task/${id}/_history/3`, ledgerId])
    const count = async (subtype: string) =>
      (
        await gateway.ask(
          'GET',
          `/AuditEvent?patient=Patient/${patient}&subtype=${subtype}&_summary=count`,
          undefined,
          { as: 'auditor' },
        )
      ).body.total as number
    await eventually(async () => (await count('AccessRequested')) > 3).toBe(true)
    await eventually(() => count('AccessRefused')).toBe(1)
    await eventually(async () => (await count('AccessRequestWithdrawn')) > 0).toBe(true)
  })
})

describe('a request to a patient in custody', () => {
  it('is answered by the wallet service on a document, which the trail names', async () => {
    const { patient } = await newPatient()
    const form = await gateway.form(patient)
    const { body } = await asks(patient)
    expect((await on(body.id, 'accept', [form], 'ehr')).status).toBe(403)
    const wrong = await gateway.form(await gateway.create({ resourceType: 'Patient' }))
    expect((await on(body.id, 'accept', [wrong], 'wallet')).status).toBe(422)
    expect(await stateOf(body.id)).toEqual(['requested', 'open'])
    const done = await on(body.id, 'accept', [form, code('label', 'general')], 'wallet')
    expect([done.status, done.body.status], done.text).toEqual([200, 'completed'])
    const events = await gateway.ask(
      'GET',
      `/AuditEvent?patient=Patient/${patient}&subtype=accept&_count=50`,
      undefined,
      { as: 'auditor' },
    )
    expect(events.text).toContain(`${form.valueReference.reference}/_history/1`)
    const second = (await asks(patient)).body.id as string
    const refused = await on(second, 'refuse', [form], 'wallet')
    expect([refused.status, refused.body.status], refused.text).toEqual([200, 'rejected'])
  })
})

describe('a request is refused', () => {
  it.each<[string, unknown[], number, string]>([
    ['without a label', [code('purpose', 'TREAT'), period(Date.now() + MONTH), reason], 400, 'label'],
    ['without a purpose', [code('label', 'general'), period(Date.now() + MONTH), reason], 400, 'purpose'],
    [
      'without a reason',
      [code('label', 'general'), code('purpose', 'TREAT'), period(Date.now() + MONTH)],
      400,
      'reason',
    ],
    [
      'without an end',
      [
        code('label', 'general'),
        code('purpose', 'TREAT'),
        { name: 'period', valuePeriod: { start: '2090-01-01T00:00:00Z' } },
        reason,
      ],
      422,
      'period.end',
    ],
    [
      'that has ended',
      [code('label', 'general'), code('purpose', 'TREAT'), period(Date.now() - 1_000), reason],
      422,
      'period',
    ],
    [
      'that ends on a day',
      [
        code('label', 'general'),
        code('purpose', 'TREAT'),
        { name: 'period', valuePeriod: { end: '2090-01-01' } },
        reason,
      ],
      422,
      'period.end',
    ],
    [
      'for an emergency',
      [code('label', 'general'), code('purpose', 'BTG'), period(Date.now() + MONTH), reason],
      422,
      'purpose',
    ],
    [
      'for a label that nobody can grant',
      [code('label', 'OTHER'), code('purpose', 'TREAT'), period(Date.now() + MONTH), reason],
      422,
      'label',
    ],
    [
      'with a reason that says nothing',
      [
        code('label', 'general'),
        code('purpose', 'TREAT'),
        period(Date.now() + MONTH),
        { name: 'reason', valueString: 'x' },
      ],
      422,
      'reason',
    ],
  ])('%s', async (_, given, status, word) => {
    const refused = await gateway.ask('POST', '/Patient/any/$request-access', parameters(...given))
    expect([refused.status, issues(refused)], refused.text).toEqual([status, expect.stringContaining(word)])
  })

  it('without the scope, of whom nobody knows, and beyond what a patient can be asked at a time', async () => {
    const { patient, ledgerId } = await newPatient()
    await close(patient, ledgerId)
    gateway.tokens['reader'] = await gateway.token('ehr', '--scope', 'system/*.rs')
    const given = parameters(code('label', 'general'), code('purpose', 'TREAT'), period(Date.now() + MONTH), reason)
    for (const as of ['reader', 'privacy', 'auditor']) {
      const refused = await gateway.ask('POST', `/Patient/${patient}/$request-access`, given, { as })
      expect([as, refused.status]).toEqual([as, 403])
    }
    expect((await asks('nobody')).status).toBe(404)
    for (let i = 0; i < 10; i++) expect((await asks(patient)).status).toBe(200)
    const beyond = await asks(patient)
    expect([beyond.status, Number(beyond.headers.get('retry-after')) > 0]).toEqual([429, true])
  })
})

describe('the patient’s own application', () => {
  it('reads its notices and no others’, after everything was revoked, and refuses with the patient’s signature', async () => {
    const wallet = Wallet.createRandom()
    const { patient, ledgerId } = await newPatient()
    const { patient: other } = await newPatient()
    const { keys } = await gateway.ledger()
    const { registration, privateKey } = await makeClient('phone', {
      entity: keys.id,
      role: 'patient',
      patient,
      scopes: 'patient/*.rs patient/Task.cu',
    })
    await gateway.registerClient(registration)
    await eventually(async () => {
      const token = await requestToken({
        baseUrl: gateway.fhir,
        clientId: 'phone',
        privateKey,
        scope: registration.scopes,
      }).catch(() => null)
      gateway.tokens['phone'] = token?.accessToken ?? ''
      return token !== null
    }).toBe(true)
    await gateway.claim(ledgerId, wallet)
    const own = (await asks(patient)).body.id as string
    const foreign = (await asks(other)).body.id as string
    const { reader } = await gateway.ledger()
    const nonce = await reader.read('ConsentRegistry', 'revocationNonce', ledgerId)
    const message = { patient: ledgerId, nonce, deadline: Math.floor(Date.now() / 1000) + 3_600 }
    const revocation = await signTypedData(wallet, typedData(reader.contracts, 'RevokeAll', message))
    await gateway.send(relayCall(reader.contracts, 'RevokeAll', message, revocation))
    const phone = { as: 'phone' }
    await eventually(async () => (await gateway.ask('GET', `/Patient/${patient}`, undefined, phone)).status).toBe(403)
    expect((await gateway.ask('GET', `/Task/${own}`, undefined, phone)).status).toBe(200)
    expect((await gateway.ask('GET', `/Task/${foreign}`, undefined, phone)).status).toBe(403)
    const all = await gateway.ask('GET', '/Task?_count=100', undefined, phone)
    expect(all.body.entry.map(({ resource }: { resource: { id: string } }) => resource.id)).toEqual([own])
    for (const name of ['accept', 'refuse', 'withdraw']) {
      expect([name, (await on(foreign, name, [], 'phone')).status]).toEqual([name, 403])
    }
    expect((await on(own, 'withdraw', [], 'phone')).status).toBe(403)
    const inOurName = parameters(code('label', 'general'), code('purpose', 'TREAT'), period(Date.now() + MONTH), reason)
    const forged = await gateway.ask('POST', `/Patient/${patient}/$request-access`, inOurName, phone)
    expect([forged.status, issues(forged)]).toEqual([403, expect.stringContaining('in the name of who asks')])
    const { signature, deadline } = await signed(wallet, await on(own, 'refuse', [], 'phone'))
    const done = await on(own, 'refuse', [signature, deadline], 'phone')
    expect([done.status, done.body.status], done.text).toEqual([200, 'rejected'])
  })
})

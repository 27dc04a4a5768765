import { Wallet } from 'ethers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { labelId } from '../../src/consent/labels.js'
import type { Hex } from '../../src/ledger/hex.js'
import { relayCall, signTypedData, typedData } from '../../src/ledger/typed-data.js'
import { ALL_CATEGORIES, randomId, ZERO } from '../ledger/support/consortium.js'
import { eventually } from '../ledger/support/eventually.js'
import { type Answer, ConsentGateway, observation } from './consent-gateway.js'

let gateway: ConsentGateway
const clinic = randomId()
const issues = (answer: Answer): string => JSON.stringify(answer.body.issue)
const parameters = (...parameter: unknown[]) => ({ resourceType: 'Parameters', parameter })
const controller = (address: string) => ({ name: 'controller', valueString: address })

beforeAll(async () => {
  gateway = await ConsentGateway.shared()
  await gateway.registerClinic(clinic)
})
afterAll(() => gateway?.close())

const claims = (patient: string, parameter: unknown[], as = 'wallet') =>
  gateway.ask('POST', `/Patient/${patient}/$claim`, parameters(...parameter), { as })

/** The data that the gateway shows to a wallet, signed by one. */
async function accepted(signer: Pick<Wallet, 'signTypedData'>, patient: string, address: string) {
  const { body, text } = await claims(patient, [controller(address)])
  expect(body.parameter?.[0].name, text).toBe('typedData')
  const { domain, types, message } = JSON.parse(body.parameter[0].valueString as string) as {
    domain: object
    types: Record<string, { name: string; type: string }[]>
    message: { deadline: string | number }
  }
  const { EIP712Domain: _, ...own } = types
  return [
    { name: 'signature', valueString: await signer.signTypedData(domain, own, message) },
    { name: 'deadline', valueString: String(message.deadline) },
  ]
}

describe('a patient in custody who claims its key', () => {
  const wallet = Wallet.createRandom()
  let patient: string
  let ledgerId: Hex
  let form: Awaited<ReturnType<ConsentGateway['form']>>
  let before: { grant: Parameters<typeof typedData<'Grant'>>[2]; signature: Hex }
  let prepared: string

  beforeAll(async () => {
    patient = await gateway.create({ resourceType: 'Patient', name: [{ family: 'Claiming' }] })
    ledgerId = await gateway.ledgerId(patient)
    form = await gateway.form(patient)
    const { reader, keys } = await gateway.ledger()
    const now = Math.floor(Date.now() / 1000)
    // What the custodian could have signed and kept, for later.
    const grant = {
      patient: ledgerId,
      grantee: clinic,
      labels: [labelId('general')],
      actions: 1,
      purposes: 1,
      categories: ALL_CATEGORIES,
      from: now,
      to: now + 86_400,
      packageHash: ZERO,
      policyHash: ZERO,
      nonce: await reader.read('ConsentRegistry', 'grantNonce', ledgerId),
      deadline: now + 86_400,
    }
    before = { grant, signature: await signTypedData(keys.operator, typedData(reader.contracts, 'Grant', grant)) }
    prepared = await gateway.propose(patient, clinic)
    expect((await gateway.operation(prepared, 'to-sign')).status).toBe(200)
  })

  it('is refused to whoever has only a wallet, only a document, or another’s of either', async () => {
    const signature = await accepted(wallet, patient, wallet.address)
    const other = await gateway.form(await gateway.create({ resourceType: 'Patient' }))
    const foreign = await accepted(Wallet.createRandom(), patient, wallet.address)
    const elsewhere = await accepted(wallet, patient, Wallet.createRandom().address)
    const [sign] = signature
    const late = { name: 'deadline', valueString: '1000' }
    const refused: [unknown[], string, number, string][] = [
      [[controller(wallet.address), ...signature], 'wallet', 422, 'parameter:authorisation'],
      [[controller(wallet.address), ...signature, form], 'ehr', 403, 'wallet.sign'],
      [[controller(wallet.address), ...signature, other], 'wallet', 422, 'parameter:authorisation'],
      [[controller(wallet.address), ...foreign, form], 'wallet', 422, 'parameter:signature'],
      [[controller(wallet.address), ...elsewhere, form], 'wallet', 422, 'parameter:signature'],
      [[controller(wallet.address), sign, late, form], 'wallet', 403, 'relayed until'],
      [[controller('0x12'), ...signature, form], 'wallet', 422, 'parameter:controller'],
      [[...signature, form], 'wallet', 400, 'controller'],
    ]
    for (const [given, as, status, word] of refused) {
      const answer = await claims(patient, given, as)
      expect([answer.status, issues(answer)], answer.text).toEqual([status, expect.stringContaining(word)])
    }
    for (const as of ['auditor']) expect((await claims(patient, [controller(wallet.address)], as)).status).toBe(403)
    expect((await claims('nobody', [controller(wallet.address)])).status).toBe(404)
    const { reader, keys } = await gateway.ledger()
    expect(await reader.read('IdentityRegistry', 'custodianOf', ledgerId)).toBe(keys.id)
  })

  it('is not deceived by a custodian that names its own account', async () => {
    const { keys } = await gateway.ledger()
    const own = keys.operator
    const given = await accepted(own, patient, own.address)
    const answer = await claims(patient, [controller(own.address), ...given, form])
    expect([answer.status, issues(answer)], answer.text).toEqual([
      422,
      expect.stringContaining('cannot be the controller'),
    ])
  })

  it('speaks for itself from then on', async () => {
    const given = await accepted(wallet, patient, wallet.address)
    const done = await claims(patient, [controller(wallet.address), ...given, form])
    expect([done.status, done.body.parameter], done.text).toEqual([
      200,
      [
        { name: 'controller', valueString: wallet.address.toLowerCase() },
        { name: 'custody', valueBoolean: false },
      ],
    ])
    const again = await claims(patient, [controller(wallet.address), ...given, form])
    expect([again.status, issues(again)]).toEqual([409, expect.stringContaining('not in our custody')])
  })

  it('and the hospital can no longer sign, by no door of the gateway and by none of the contract', async () => {
    const sign = await gateway.operation(prepared, 'sign', [form], { as: 'wallet' })
    expect([sign.status, issues(sign)]).toEqual([403, expect.stringContaining('not in our custody')])
    const veto = parameters({ name: 'vetoed', valueBoolean: true }, form)
    expect((await gateway.ask('POST', `/Patient/${patient}/$emergency-veto`, veto, { as: 'wallet' })).status).toBe(403)
    const period = { name: 'period', valuePeriod: { end: new Date(Date.now() + 86_400_000).toISOString() } }
    const asked = await gateway.ask(
      'POST',
      `/Patient/${patient}/$request-access`,
      parameters({ name: 'label', valueCode: 'HIV' }, { name: 'purpose', valueCode: 'TREAT' }, period, {
        name: 'reason',
        valueString: 'To see whether it is still asked.',
      }),
    )
    for (const name of ['accept', 'refuse']) {
      const answer = await gateway.ask('POST', `/Task/${asked.body.id}/$${name}`, parameters(form), { as: 'wallet' })
      expect([name, answer.status], answer.text).toEqual([name, 403])
    }
    const { reader } = await gateway.ledger()
    const { contracts } = reader
    const attempts = [
      contracts.write('ConsentRegistry', 'grant', before.grant),
      relayCall(contracts, 'Grant', before.grant, before.signature),
      contracts.write('ConsentRegistry', 'revokeAll', ledgerId),
      contracts.write('ConsentRegistry', 'setEmergencyVeto', ledgerId, false),
      contracts.write('ConsentRegistry', 'refuseAccess', asked.body.identifier[0].value as Hex),
    ]
    for (const call of attempts) {
      await expect(gateway.send(call)).rejects.toMatchObject({
        reason: expect.stringMatching(/^(NotAuthorised|InvalidNonce|InvalidSignature)$/) as string,
      })
    }
    expect(await gateway.mayRead(patient, clinic)).toBe(false)
  })

  it('keeps its care, and takes it back by its own signature', async () => {
    expect((await gateway.ask('POST', '/Observation', observation(patient))).status).toBe(201)
    const { reader } = await gateway.ledger()
    const message = {
      patient: ledgerId,
      nonce: await reader.read('ConsentRegistry', 'revocationNonce', ledgerId),
      deadline: Math.floor(Date.now() / 1000) + 3_600,
    }
    const signature = await signTypedData(wallet, typedData(reader.contracts, 'RevokeAll', message))
    await gateway.send(relayCall(reader.contracts, 'RevokeAll', message, signature))
    await eventually(async () => (await gateway.ask('GET', `/Patient/${patient}`)).status).toBe(403)
  })

  it('is in the trail: the operation with its document, and the end of the custody from the ledger', async () => {
    const found = async (subtype: string) =>
      (
        await gateway.ask('GET', `/AuditEvent?patient=Patient/${patient}&subtype=${subtype}&_count=50`, undefined, {
          as: 'auditor',
        })
      ).body
    expect(JSON.stringify(await found('claim'))).toContain(`${form.valueReference.reference}/_history/1`)
    await eventually(async () => (await found('CustodyEnded')).total as number).toBe(1)
    const { entry } = await found('CustodyEnded')
    const [{ resource }] = entry as [
      { resource: { agent: { who: { identifier: { value: string } } }[]; extension: object[] } },
    ]
    const { keys } = await gateway.ledger()
    expect(resource.agent.map(({ who }) => who.identifier.value)).toEqual([ledgerId, keys.id])
    expect(resource.extension).toHaveLength(1)
  })
})

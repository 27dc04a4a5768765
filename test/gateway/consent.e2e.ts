import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Wallet } from 'ethers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ALL_LABELS_ID, labelId } from '../../src/consent/labels.js'
import type { Hex } from '../../src/ledger/hex.js'
import { signTypedData, typedData } from '../../src/ledger/typed-data.js'
import { eventually } from '../ledger/support/eventually.js'
import type { authorised } from './consent-gateway.js'
import { type Answer, ConsentGateway, observation } from './consent-gateway.js'

/** One real gateway with its three proxies, for the whole file. */
let gateway: ConsentGateway
const WALLET = { as: 'wallet' }
interface AuditedEvent {
  readonly subtype: readonly { code: string }[]
  readonly outcome: string
  readonly purposeOfEvent?: readonly { coding: readonly { code: string }[] }[]
  readonly entity: readonly { what?: { reference?: string }; role?: { code: string } }[]
}
const randomId = (): Hex => `0x${randomBytes(32).toString('hex')}`
const clinic = randomId()
const signature = (value: string) => ({ name: 'signature', valueString: value })
const issues = (answer: Answer): string => JSON.stringify(answer.body.issue)

beforeAll(async () => {
  gateway = await ConsentGateway.shared()
  gateway.tokens['reader'] = await gateway.token('ehr', '--scope', 'system/*.rs')
  await gateway.registerClinic(clinic)
})
afterAll(() => gateway?.close())

const newPatient = (family = 'Willing') => gateway.create({ resourceType: 'Patient', name: [{ family }] })
const mayRead = (patientId: string): Promise<boolean> => gateway.mayRead(patientId, clinic)

const modifier = [{ url: 'urn:only-on-weekdays', valueBoolean: true }]

describe('a grant in custody', () => {
  let patient: string
  let form: ReturnType<typeof authorised>
  beforeAll(async () => {
    patient = await newPatient()
    form = await gateway.form(patient)
  })

  it('is signed once on a named authorisation, revoked, and each is audited with it', async () => {
    const consent = await gateway.propose(patient, clinic)
    const second = await gateway.form(patient)
    const active = await gateway.operation(consent, 'sign', [form], WALLET)
    expect([active.status, active.body.status], active.text).toEqual([200, 'active'])
    expect(active.body.verification[0].verified).toBe(true)
    expect(await mayRead(patient)).toBe(true)
    const again = await gateway.operation(consent, 'sign', [form], WALLET)
    expect([again.status, issues(again)]).toEqual([409, expect.stringContaining('this one is active')])
    const inactive = await gateway.operation(consent, 'revoke', [second], WALLET)
    expect([inactive.status, inactive.body.status], inactive.text).toEqual([200, 'inactive'])
    expect(await mayRead(patient)).toBe(false)
    expect((await gateway.operation(consent, 'sign', [form], WALLET)).status).toBe(409)
    const events = await gateway.ask('GET', `/AuditEvent?patient=Patient/${patient}&_count=200`, undefined, {
      as: 'auditor',
    })
    for (const { valueReference } of [form, second]) {
      const told = events.body.entry.filter(({ resource }: { resource: AuditedEvent }) =>
        resource.entity.some(
          ({ what, role }) => what?.reference === `${valueReference.reference}/_history/1` && role?.code === '13',
        ),
      )
      expect(told.length, valueReference.reference).toBeGreaterThan(0)
    }
  })

  it.each<[string, object, object, number, string]>([
    ['is a draft', { status: 'draft' }, {}, 409, 'Only a proposed Consent can be signed'],
    ['has two actors', {}, { actor: [actor(clinic), actor(clinic)] }, 422, 'Consent.provision.actor'],
    ['has no actor', {}, { actor: undefined }, 422, 'Consent.provision.actor'],
    ['names the actor by another system', {}, { actor: [actor(clinic, 'urn:x')] }, 422, 'Consent.provision.actor'],
    ['names a grantee that nobody registered', {}, { actor: [actor(randomId())] }, 422, 'not an active party'],
    ['has ended', {}, { period: { end: '2020-01-01T00:00:00Z' } }, 422, 'Consent.provision.period.end'],
    ['ends on a day instead of a second', {}, { period: { end: '2090-01-01' } }, 422, 'Consent.provision.period.end'],
    ['denies', {}, { type: 'deny' }, 422, 'Consent.provision.type'],
    ['names no label', {}, { securityLabel: undefined }, 422, 'Consent.provision.securityLabel'],
    ['names no purpose', {}, { purpose: undefined }, 422, 'Consent.provision.purpose'],
    [
      'names emergency access, which nobody can grant',
      {},
      { purpose: [reason('BTG')] },
      422,
      'Consent.provision.purpose',
    ],
    ['has an exception inside', {}, { provision: [{ type: 'deny' }] }, 422, 'Consent.provision.provision'],
    // "Applications processing a resource are required to check for modifier extensions": a narrower wish is no wider grant.
    ['is changed by an extension', { modifierExtension: modifier }, {}, 422, '"Consent.modifierExtension"'],
    ['permits less by one', {}, { modifierExtension: modifier }, 422, '"Consent.provision.modifierExtension"'],
    [
      'names its actor with one',
      {},
      { actor: [{ ...actor(clinic), modifierExtension: modifier }] },
      422,
      '"Consent.provision.actor[0].modifierExtension"',
    ],
    ['is to be read by rules of somebody', { implicitRules: 'urn:rules' }, {}, 422, '"Consent.implicitRules"'],
  ])('is refused of a Consent that %s, and nothing reaches the ledger', async (_, over, provision, status, word) => {
    const { reader } = await gateway.ledger()
    const before = await reader.read('ConsentRegistry', 'grantNonce', await gateway.ledgerId(patient))
    // Without the claim of the profile, which would be refused already.
    const consent = await gateway.propose(patient, clinic, { meta: undefined, ...over }, provision)
    const refused = await gateway.operation(consent, 'sign', [form], WALLET)
    expect([refused.status, refused.body.resourceType], refused.text).toEqual([status, 'OperationOutcome'])
    expect(issues(refused)).toContain(word)
    expect(await mayRead(patient)).toBe(false)
    expect((await reader.read('ConsentRegistry', 'grantNonce', await gateway.ledgerId(patient))) >> 32n).toBe(
      before >> 32n,
    )
    const unchanged = await gateway.ask('GET', `/Consent/${consent}`)
    expect([unchanged.body.meta.versionId, unchanged.body.verification]).toEqual(['1', undefined])
  })

  it('is refused without what authorises it, or with a signature that nobody can have made', async () => {
    const consent = await gateway.propose(patient, clinic)
    const without = await gateway.operation(consent, 'sign', [], WALLET)
    expect([without.status, issues(without)]).toEqual([
      422,
      expect.stringContaining('Parameters.parameter:authorisation'),
    ])
    const unasked = await gateway.operation(consent, 'sign', [signature(`0x${'11'.repeat(64)}1b`)])
    expect([unasked.status, issues(unasked)]).toEqual([409, expect.stringContaining('$to-sign')])
    expect((await gateway.operation(consent, 'to-sign')).status).toBe(200)
    const signed = await gateway.operation(consent, 'sign', [signature(`0x${'11'.repeat(64)}1b`)])
    expect([signed.status, issues(signed)]).toEqual([422, expect.stringContaining('Parameters.parameter:signature')])
    expect(await mayRead(patient)).toBe(false)
  })

  it('is refused to a scope that only reads, to the auditor, and for what is not there', async () => {
    const consent = await gateway.propose(patient, clinic)
    for (const name of ['to-sign', 'sign', 'revoke']) {
      const parameters = name === 'to-sign' ? [] : [form]
      for (const as of ['reader', 'auditor']) {
        expect((await gateway.operation(consent, name, parameters, { as })).status, `${name} ${as}`).toBe(403)
      }
      expect((await gateway.operation('nothing', name, name === 'to-sign' ? [] : [form], WALLET)).status).toBe(404)
    }
  })

  it.each<[string, unknown]>([
    ['no JSON', '{"resourceType":'],
    ['nothing', 'null'],
    ['a list', '[]'],
    ['a parameter that is nothing', { resourceType: 'Parameters', parameter: [null] }],
    ['a signature that is no hex', { resourceType: 'Parameters', parameter: [signature('signed')] }],
  ])('is refused with a body of %s', async (_, body) => {
    const consent = await gateway.propose(patient, clinic)
    const refused = await gateway.ask('POST', `/Consent/${consent}/$sign`, body)
    expect(refused.body.resourceType).toBe('OperationOutcome')
    expect([400, 422], refused.text).toContain(refused.status)
  })
})

function actor(id: string, system = 'https://consentry.health/fhir/sid/party') {
  const role = { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: 'IRCP' }] }
  return { role, reference: { identifier: { system, value: id } } }
}
function reason(code: string) {
  return { system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code }
}

describe('a grant of a patient with a wallet', () => {
  const wallet = Wallet.createRandom()
  let patient: string
  let patientId: Hex
  beforeAll(async () => {
    patient = await newPatient('Claimed')
    patientId = await gateway.ledgerId(patient)
    await gateway.claim(patientId, wallet)
  })

  /** The data that the gateway asks to be signed, signed. */
  async function signedBy(signer: Pick<Wallet, 'signTypedData'>, consent: string): Promise<string> {
    const { body } = await gateway.operation(consent, 'to-sign')
    const { domain, types, message } = JSON.parse(body.parameter[0].valueString as string) as {
      domain: Record<string, unknown>
      types: Record<string, { name: string; type: string }[]>
      message: Record<string, unknown>
    }
    const { EIP712Domain: _, ...own } = types
    return await signer.signTypedData(domain, own, message)
  }

  it('needs the wallet’s signature: the custodian’s word is over', async () => {
    const consent = await gateway.propose(patient, clinic)
    const form = await gateway.form(patient)
    await eventually(async () => {
      const { status } = await gateway.operation(consent, 'sign', [form], WALLET)
      return status
    }).toBe(403)
    expect(await mayRead(patient)).toBe(false)
  })

  it('is not taken with another’s signature, or one over other data, or an altered one', async () => {
    const consent = await gateway.propose(patient, clinic)
    const other = await gateway.propose(patient, clinic, {}, { purpose: [reason('HRESCH')] })
    const good = await signedBy(wallet, consent)
    const wrong = [
      await signedBy(Wallet.createRandom(), consent),
      await signedBy(wallet, other),
      `${good.slice(0, 40)}${good[40] === '0' ? '1' : '0'}${good.slice(41)}`,
      `${good}00`,
      '0x00',
    ]
    for (const bad of wrong) {
      const refused = await gateway.operation(consent, 'sign', [signature(bad)])
      expect([refused.status, issues(refused)], bad).toEqual([422, expect.stringContaining('security')])
    }
    expect(await mayRead(patient)).toBe(false)
    expect((await gateway.ask('GET', `/Consent/${consent}`)).body.status).toBe('proposed')
  })

  it('is taken with it, once; and so is its revocation', async () => {
    const consent = await gateway.propose(patient, clinic)
    const good = await signedBy(wallet, consent)
    const active = await gateway.operation(consent, 'sign', [signature(good)])
    expect([active.status, active.body.status], active.text).toEqual([200, 'active'])
    expect(await mayRead(patient)).toBe(true)
    expect((await gateway.operation(consent, 'sign', [signature(good)])).status).toBe(409)
    // Nor for a Consent of the same words: what is signed has its own serial and package.
    const twin = await gateway.propose(patient, clinic)
    expect((await gateway.operation(twin, 'to-sign')).status).toBe(200)
    expect((await gateway.operation(twin, 'sign', [signature(good)])).status).toBe(422)

    const { reader } = await gateway.ledger()
    const revocation = async (deadline: number) => {
      const nonce = await reader.read('ConsentRegistry', 'revocationNonce', patientId)
      const message = { patient: patientId, grantee: clinic, labels: [labelId('general')], actions: 1, nonce, deadline }
      const value = await signTypedData(wallet, typedData(reader.contracts, 'Revocation', message))
      return [signature(value), { name: 'deadline', valueString: String(deadline) }]
    }
    const soon = Math.floor(Date.now() / 1000) + 3_600
    expect((await gateway.operation(consent, 'revoke', [await gateway.form(patient)], WALLET)).status).toBe(403)
    const late = await gateway.operation(consent, 'revoke', await revocation(1_000))
    expect(late.status, late.text).toBeGreaterThanOrEqual(400)
    expect(late.status, late.text).toBeLessThan(500)
    const [first] = await revocation(soon)
    const other = [first, { name: 'deadline', valueString: String(soon + 1) }]
    expect((await gateway.operation(consent, 'revoke', other)).status).toBe(422)
    const nonsense = [first, { name: 'deadline', valueString: 'soon' }]
    expect([400, 422]).toContain((await gateway.operation(consent, 'revoke', nonsense)).status)
    expect(await mayRead(patient)).toBe(true)
    const parameters = await revocation(soon)
    const inactive = await gateway.operation(consent, 'revoke', parameters)
    expect([inactive.status, inactive.body.status], inactive.text).toEqual([200, 'inactive'])
    expect(await mayRead(patient)).toBe(false)
    const replayed = await gateway.operation(consent, 'revoke', parameters)
    expect(replayed.status).toBe(422)
  })
})

describe('breaking the glass of a patient who has revoked everything', () => {
  let patient: string
  let sensitive: string
  let ledgerId: Hex
  const EMERGENCY = { as: 'emergency' }
  beforeAll(async () => {
    gateway.tokens['emergency'] = await gateway.token('ehr', '--purpose', 'BTG')
    gateway.tokens['either'] = await gateway.token('ehr', '--purpose', 'TREAT', '--purpose', 'BTG')
    patient = await newPatient('Unconscious')
    const security = [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'PSY' }]
    sensitive = await gateway.create(observation(patient, { meta: { security } }))
    ledgerId = await gateway.ledgerId(patient)
    const { reader } = await gateway.ledger()
    await gateway.send(reader.contracts.write('ConsentRegistry', 'revokeAll', ledgerId))
    while ((await gateway.ask('GET', `/Patient/${patient}`)).status !== 403) await sleep(20)
  })
  const read = async (as: string) => (await gateway.ask('GET', `/Observation/${sensitive}`, undefined, { as })).status
  const found = async (as: string) =>
    (await gateway.ask('GET', `/Observation?patient=Patient/${patient}`, undefined, { as })).body.total as number
  const write = async (name: 'breakGlass' | 'setEmergencyVeto' | 'revoke', ...rest: unknown[]) => {
    const { reader } = await gateway.ledger()
    const write = reader.contracts.write.bind(reader.contracts) as (
      ...inputs: unknown[]
    ) => Parameters<typeof gateway.send>[0]
    await gateway.send(write('ConsentRegistry', name, ledgerId, ...rest))
  }

  it('lets its entity read, all labels and searches too, for that purpose alone and not write', async () => {
    const { keys } = await gateway.ledger()
    expect([await read('emergency'), await found('emergency')]).toEqual([403, 0])
    await write('breakGlass', keys.id, randomId())
    await eventually(() => read('emergency')).toBe(200)
    expect([await found('emergency'), await found('ehr'), await found('either')]).toEqual([1, 0, 0])
    expect([await read('ehr'), await read('either')]).toEqual([403, 403])
    expect((await gateway.ask('POST', '/Observation', observation(patient), EMERGENCY)).status).toBe(403)
    expect((await gateway.ask('DELETE', `/Observation/${sensitive}`, undefined, EMERGENCY)).status).toBe(403)
  })

  it('is in the trail: on the ledger, and as the purpose of each access that it let through, and of no other', async () => {
    const events = async () => {
      const { body } = await gateway.ask('GET', `/AuditEvent?patient=Patient/${patient}&_count=200`, undefined, {
        as: 'auditor',
      })
      return (body.entry as { resource: AuditedEvent }[]).map(({ resource }) => resource)
    }
    const told = (name: string) => async () =>
      (await events()).filter(({ subtype }) => subtype.some(({ code }) => code === name)).length
    await eventually(told('GlassBroken')).toBe(1)
    const reads = (await events()).filter(({ subtype }) => subtype.some(({ code }) => code === 'read'))
    const purposes = reads
      .filter(({ outcome }) => outcome === '0')
      .map(({ purposeOfEvent }) => purposeOfEvent?.flatMap(({ coding }) => coding.map(({ code }) => code)))
    expect(purposes).toContainEqual(['BTG'])
    const denied = reads.filter(({ outcome }) => outcome !== '0')
    // What could have been emergency and was not asked as that is not told as that.
    expect(JSON.stringify(denied.map(({ purposeOfEvent }) => purposeOfEvent))).toContain('TREAT')
    for (const { purposeOfEvent = [] } of await events()) {
      expect(purposeOfEvent.length, JSON.stringify(purposeOfEvent)).toBeLessThan(2)
    }
  })

  it('is shut by the patient’s veto at once, open again when that is lifted, and over when it is revoked', async () => {
    const { keys } = await gateway.ledger()
    await write('setEmergencyVeto', true)
    await eventually(() => read('emergency')).toBe(403)
    expect(await found('emergency')).toBe(0)
    await write('setEmergencyVeto', false)
    await eventually(() => read('emergency')).toBe(200)
    await write('revoke', keys.id, [ALL_LABELS_ID], 0b1000000)
    await eventually(() => read('emergency')).toBe(403)
  })
})

describe('after the patient has revoked the hospital’s own care grant', () => {
  let patient: string
  let control: string
  let made: string[]
  let nextPage: string
  const family = 'Vanishing'
  const IDENTIFIER = { system: 'urn:x', value: 'vanishing-1' }
  const NEVER = 'urn:x|never-was'
  const FOUND = `${IDENTIFIER.system}|${IDENTIFIER.value}`

  beforeAll(async () => {
    patient = await gateway.create({ resourceType: 'Patient', name: [{ family }], identifier: [IDENTIFIER] })
    control = await newPatient('Staying')
    made = []
    for (let i = 0; i < 4; i++) made.push(await gateway.create(observation(patient)))
    const kept = await gateway.create(observation(control))
    const query = '/Observation?code=http://loinc.org|718-7&_count=2&_sort=_lastUpdated'
    const { body } = await gateway.ask('GET', query)
    nextPage = body.link.find((l: { relation: string }) => l.relation === 'next').url as string
    const { reader, keys } = await gateway.ledger()
    const ledgerId = await gateway.ledgerId(patient)
    await gateway.send(
      reader.contracts.write('ConsentRegistry', 'revoke', ledgerId, keys.id, [ALL_LABELS_ID], 0b111111),
    )
    while ((await gateway.ask('GET', `/Patient/${patient}`)).status !== 403) await sleep(20)
    expect((await gateway.ask('GET', `/Observation/${kept}`)).status).toBe(200)
  })

  it.each<[string, () => Promise<Answer>]>([
    ['read', () => gateway.ask('GET', `/Observation/${made[0]}`)],
    ['vread', () => gateway.ask('GET', `/Observation/${made[0]}/_history/1`)],
    ['history', () => gateway.ask('GET', `/Observation/${made[0]}/_history`)],
    ['history of the Patient', () => gateway.ask('GET', `/Patient/${patient}/_history`)],
    ['update', () => gateway.ask('PUT', `/Observation/${made[0]}`, { ...observation(patient), id: made[0] })],
    [
      'update with another version',
      () =>
        gateway.ask(
          'PUT',
          `/Observation/${made[0]}`,
          { ...observation(patient), id: made[0] },
          { headers: { 'if-match': 'W/"9"' } },
        ),
    ],
    [
      'moving it to another patient',
      () => gateway.ask('PUT', `/Observation/${made[0]}`, { ...observation(control), id: made[0] }),
    ],
    ['delete', () => gateway.ask('DELETE', `/Observation/${made[0]}`)],
    ['create', () => gateway.ask('POST', '/Observation', observation(patient))],
    ['$ledger-id', () => gateway.ask('GET', `/Patient/${patient}/$ledger-id`)],
  ])('%s is denied and tells nothing', async (_, request) => {
    const denied = await request()
    expect([denied.status, denied.body.resourceType], denied.text).toEqual([403, 'OperationOutcome'])
    expect(denied.text).not.toMatch(/Vanishing|718-7|vanishing-1|version/)
  })

  it.each([
    `/Patient?family=${family}`,
    `/Patient?identifier=${FOUND}`,
    `/Patient?family:contains=anishin`,
    '/Observation?patient.family=Vanishing',
    '/Observation?subject:Patient.identifier=urn:x|vanishing-1',
    '/Patient?_has:Observation:patient:code=718-7&family=Vanishing',
  ])('a search finds and counts nothing: %s', async (path) => {
    const { status, body, text } = await gateway.ask('GET', path)
    // What is not served is refused whoever asks.
    if ([400, 501].includes(status)) return
    expect([status, body.total ?? 0, body.entry ?? []], text).toEqual([200, 0, []])
    expect((await gateway.ask('GET', `${path}&_summary=count`)).body.total).toBe(0)
  })

  it('neither by id nor by reference', async () => {
    for (const path of [
      `/Patient?_id=${patient}`,
      `/Observation?_id=${made.join(',')}`,
      `/Observation?patient=Patient/${patient}`,
    ]) {
      const { body } = await gateway.ask('GET', path)
      expect([body.total, body.entry ?? []], path).toEqual([0, []])
    }
  })

  it('page 2 of a search from before shows the others alone', async () => {
    let url: string | undefined = nextPage
    while (url !== undefined) {
      const { status, body, text }: Answer = await gateway.ask('GET', url)
      expect(status).toBe(200)
      for (const id of [patient, ...made]) expect(text).not.toContain(id)
      url = body.link.find((l: { relation: string }) => l.relation === 'next')?.url as string | undefined
    }
  })

  it('an include brings nothing', async () => {
    const { text } = await gateway.ask('GET', '/Observation?code=718-7&_include=Observation:patient&_count=100')
    expect(text).not.toContain(family)
  })

  it('a conditional create does not meet it', async () => {
    const body = { resourceType: 'Patient', name: [{ family: 'New' }], identifier: [IDENTIFIER] }
    const made = await gateway.ask('POST', '/Patient', body, { headers: { 'if-none-exist': `identifier=${FOUND}` } })
    expect(made.status, made.text).toBe(201)
    expect(made.body.id).not.toBe(patient)
    await gateway.ask('DELETE', `/Patient/${made.body.id}`)
  })

  it('a conditional reference of a transaction finds it no more than what never was', async () => {
    const answers = []
    for (const condition of [FOUND, NEVER]) {
      const resource = { ...observation('x'), subject: { reference: `Patient?identifier=${condition}` } }
      const bundle = {
        resourceType: 'Bundle',
        type: 'transaction',
        entry: [{ resource, request: { method: 'POST', url: 'Observation' } }],
      }
      const { status, text } = await gateway.ask('POST', '', bundle)
      answers.push([status, text.replaceAll(condition, '…')])
    }
    expect(answers[0]).toEqual(answers[1])
    expect(answers[0]?.[0]).toBe(422)
  })

  it('neither $everything nor a history shows or counts any of it', async () => {
    const whole = await gateway.ask('GET', `/Patient/${patient}/$everything`)
    expect([whole.status, whole.text.includes(family)]).toEqual([403, false])
    expect((await gateway.ask('GET', `/Patient/${patient}/$meta`)).status).toBe(403)
    expect((await gateway.ask('GET', `/Observation/${made[0]}/_history`)).status).toBe(403)
    for (const path of [
      '/Patient/$everything?_count=1000',
      '/_history?_count=1000',
      '/Observation/_history?_count=1000',
    ]) {
      const { status, text } = await gateway.ask('GET', path)
      expect([path, status]).toEqual([path, 200])
      for (const hidden of [family, patient, ...made]) expect([path, text.includes(hidden)]).toEqual([path, false])
    }
  })

  it('a patch neither tells nor changes it', async () => {
    const patch = [{ op: 'test', path: '/name/0/family', value: family }]
    const headers = { 'content-type': 'application/json-patch+json' }
    const direct = await gateway.ask('PATCH', `/Patient/${patient}`, patch, { headers })
    expect([direct.status, direct.text.includes(family)]).toEqual([403, false])
    const by = await gateway.ask('PATCH', `/Patient?identifier=${FOUND}`, patch, { headers })
    const never = await gateway.ask('PATCH', `/Patient?identifier=${NEVER}`, patch, { headers })
    expect([by.status, never.status]).toEqual([404, 404])
    const gone = await gateway.ask('DELETE', `/Patient?identifier=${FOUND}`)
    expect(gone.status).toBe(204)
    expect((await gateway.ask('GET', `/Patient/${patient}`)).status).toBe(403)
  })

  it('GraphQL shows nothing of it', async () => {
    const query = `{ ObservationList(patient: "Patient/${patient}") { id } PatientList(family: "${family}") { id name { family } } }`
    const { text, body } = await gateway.ask('POST', '/$graphql', { query })
    expect(text).not.toContain(family)
    expect([body.data.ObservationList, body.data.PatientList]).toEqual([[], []])
    const one = await gateway.ask('POST', '/$graphql', { query: `{ Patient(id: "${patient}") { name { family } } }` })
    expect(one.text).not.toContain(family)
    expect(one.body.data?.Patient ?? null).toBeNull()
    const through = await gateway.ask('POST', '/$graphql', {
      query:
        '{ ObservationList(code: "718-7", _count: 100) { id subject { resource { ... on Patient { name { family } } } } } }',
    })
    expect(through.text).not.toContain(family)
    for (const id of made) expect(through.text).not.toContain(id)
  })

  it('and every denial is in the trail', async () => {
    const { body } = await gateway.ask(
      'GET',
      `/AuditEvent?patient=Patient/${patient}&outcome=4&_summary=count`,
      undefined,
      { as: 'auditor' },
    )
    expect(body.total).toBeGreaterThanOrEqual(5)
  })
})

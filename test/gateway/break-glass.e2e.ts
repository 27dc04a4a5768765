import { createHash, randomBytes } from 'node:crypto'
import { Wallet } from 'ethers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { canonicalJson } from '../../src/audit/canonical-json.js'
import type { Hex } from '../../src/ledger/hex.js'
import { EMERGENCY_REASONS } from '../../src/gateway/consent/access-codes.js'
import { eventually } from '../ledger/support/eventually.js'
import { run } from '../support/gateway.js'
import { type Answer, ConsentGateway, observation } from './consent-gateway.js'

/** One real gateway; the patient has revoked everything, so nothing but an emergency opens the record. */
let gateway: ConsentGateway
const REASON = 'https://consentry.health/fhir/CodeSystem/emergency-reason'
const TEXT = 'Unconscious after a fall, allergies unknown.'
const SEVEN = { system: REASON, code: 'unresponsive' }
const reason = (over: object = {}) => ({
  name: 'reason',
  valueCodeableConcept: { coding: [SEVEN], text: TEXT, ...over },
})
const parameters = (...parameter: unknown[]) => ({ resourceType: 'Parameters', parameter })
const issues = (answer: Answer): string => JSON.stringify(answer.body.issue)

beforeAll(async () => {
  gateway = await ConsentGateway.open({ EMERGENCY_PER_PERSON: '3', EMBEDDED_PROXIES: '0' })
  for (const name of ['emergency', 'privacy']) gateway.tokens[name] = await gateway.token(name)
})
afterAll(() => gateway?.close())

const breaks = (patient: string, asking: object = { as: 'emergency' }, ...parameter: unknown[]) =>
  gateway.ask(
    'POST',
    `/Patient/${patient}/$break-glass`,
    parameters(...(parameter.length ? parameter : [reason()])),
    asking,
  )

async function closedPatient(): Promise<{ patient: string; result: string; ledgerId: Hex }> {
  const patient = await gateway.create({ resourceType: 'Patient', name: [{ family: 'Closed' }] })
  const result = await gateway.create(observation(patient))
  const ledgerId = await gateway.ledgerId(patient)
  const { reader } = await gateway.ledger()
  await gateway.send(reader.contracts.write('ConsentRegistry', 'revokeAll', ledgerId))
  await eventually(async () => (await gateway.ask('GET', `/Patient/${patient}`)).status).toBe(403)
  return { patient, result, ledgerId }
}

const read = async (result: string, as = 'emergency') =>
  (await gateway.ask('GET', `/Observation/${result}`, undefined, { as })).status
const named = (answer: Answer, name: string) =>
  (answer.body.parameter as { name: string; valueReference?: { reference: string } }[]).find(
    (each) => each.name === name,
  )
const events = async (patient: string) => {
  const { body } = await gateway.ask(
    'GET',
    `/AuditEvent?patient=Patient/${patient}&subtype=break-glass,GlassBroken&_count=50`,
    undefined,
    {
      as: 'auditor',
    },
  )
  return (body.entry ?? []) as { resource: { subtype: { code: string }[]; outcome: string; purposeOfEvent?: object } }[]
}

describe('breaking the glass through the gateway', () => {
  let patient: string
  let result: string
  let task: string
  let notice: string

  it('opens the record for that purpose at once, and for no other', async () => {
    ;({ patient, result } = await closedPatient())
    expect(await read(result)).toBe(403)
    const broken = await breaks(patient)
    expect(broken.status, broken.text).toBe(200)
    task = named(broken, 'review')?.valueReference?.reference as string
    notice = named(broken, 'notice')?.valueReference?.reference as string
    const until = Date.parse((named(broken, 'until') as unknown as { valueInstant: string }).valueInstant)
    expect(Math.abs(until - Date.now() - 4 * 3_600_000)).toBeLessThan(120_000)
    expect([await read(result), await read(result, 'ehr')]).toEqual([200, 403])
    const again = await breaks(patient)
    expect([again.status, issues(again)]).toEqual([409, expect.stringContaining('open already')])
  })

  it('has told the patient and the privacy officer when it answers, with the event on the ledger', async () => {
    for (const [path, as] of [
      [task, 'privacy'],
      [notice, 'privacy'],
      [notice, 'ehr'],
    ] as const) {
      const { status, body, text } = await gateway.ask('GET', `/${path}`, undefined, { as })
      expect([path, status], text).toEqual([path, 200])
      expect(body.extension[0].url).toContain('ledger-evidence')
      expect(body.reasonCode.text ?? body.reasonCode[0].text).toBe(TEXT)
    }
    const { body: review } = await gateway.ask('GET', `/${task}`, undefined, { as: 'privacy' })
    expect([review.status, review.businessStatus.coding[0].code, review.for.reference]).toEqual([
      'requested',
      'open',
      `Patient/${patient}`,
    ])
    const open = await gateway.ask('GET', `/Task?patient=Patient/${patient}&status=requested`, undefined, {
      as: 'privacy',
    })
    expect(open.body.total).toBe(1)
    const told = await gateway.ask('GET', `/Communication?subject=Patient/${patient}&status=completed`, undefined, {
      as: 'privacy',
    })
    expect(told.body.total).toBe(1)
  })

  it('has the salted hash of the reason on the ledger, and nothing else of it', async () => {
    const { body: review } = await gateway.ask('GET', `/${task}`, undefined, { as: 'privacy' })
    const salt = Buffer.from((review.input[0].valueString as string).slice(2), 'hex')
    const said = canonicalJson({ code: SEVEN.code, system: REASON, text: TEXT })
    expect(salt).toHaveLength(32)
    expect(review.identifier[0].value).toBe(`0x${createHash('sha256').update(salt).update(said).digest('hex')}`)
    const { rpc, reader } = await gateway.ledger()
    const logs = (await rpc.send('eth_getLogs', [
      { address: reader.contracts.addresses.ConsentRegistry, fromBlock: '0x0', toBlock: 'latest' },
    ])) as { data: string }[]
    expect(logs.some(({ data }) => data.includes((review.identifier[0].value as string).slice(2)))).toBe(true)
    expect(JSON.stringify(logs)).not.toContain(Buffer.from('Unconscious').toString('hex'))
  })

  it('is in the trail with its purpose, before and after the ledger', async () => {
    const told = async () =>
      (await events(patient))
        .flatMap(({ resource }) => resource.subtype.map(({ code }) => code))
        .filter((code) => /glass/i.test(code))
    await eventually(async () => (await told()).toSorted()).toEqual([
      'GlassBroken',
      'break-glass',
      'break-glass',
      'break-glass',
    ])
    const own = (await events(patient)).filter(({ resource }) =>
      resource.subtype.some(({ code }) => code === 'break-glass'),
    )
    // Both attempts were recorded before the ledger was asked, and that it refused the second.
    expect(own.map(({ resource }) => resource.outcome).toSorted()).toEqual(['0', '0', '4'])
    for (const { resource } of own) expect(JSON.stringify(resource.purposeOfEvent)).toContain('BTG')
    expect(JSON.stringify(own)).not.toContain(TEXT)
  })

  it('lets no client change or take away what was told', async () => {
    for (const path of [task, notice]) {
      const { body } = await gateway.ask('GET', `/${path}`)
      const changed = await gateway.ask('PUT', `/${path}`, { ...body, priority: 'routine' })
      expect(changed.status, changed.text).toBe(403)
      expect((await gateway.ask('DELETE', `/${path}`)).status).toBe(403)
      const patch = [{ op: 'replace', path: '/status', value: 'completed' }]
      const headers = { 'content-type': 'application/json-patch+json' }
      expect((await gateway.ask('PATCH', `/${path}`, patch, { headers })).status).toBe(403)
      expect(
        (
          await gateway.ask(
            'POST',
            `/${path}/$meta-add`,
            parameters({ name: 'meta', valueMeta: { tag: [{ code: 'x' }] } }),
          )
        ).status,
      ).toBe(403)
    }
  })

  it('is reviewed by a second person, once', async () => {
    const outcome = { name: 'outcome', valueCode: 'justified' }
    const comment = { name: 'comment', valueString: 'Allergy list was needed.' }
    const ask = (as: string, ...parameter: unknown[]) =>
      gateway.ask('POST', `/${task}/$review`, parameters(...parameter), { as })
    // the breaker's own client, even with the scope, is no second person; a client without the scope is none either
    expect((await ask('emergency', outcome)).status).toBe(403)
    expect((await ask('ehr', outcome)).status).toBe(403)
    expect((await ask('privacy', { name: 'outcome', valueCode: 'fine' })).status).toBe(422)
    expect((await ask('privacy')).status).toBe(400)
    const reviewed = await ask('privacy', outcome, comment)
    expect([reviewed.status, reviewed.body.status], reviewed.text).toEqual([200, 'completed'])
    expect(JSON.stringify(reviewed.body.output)).toContain('Allergy list was needed.')
    expect((await ask('privacy', outcome)).status).toBe(409)
    const { reader } = await gateway.ledger()
    expect(reader).toBeDefined()
    // it stays reviewed, with its evidence, when the notices are told anew
    const now = await gateway.ask('GET', `/${task}`, undefined, { as: 'privacy' })
    expect([now.body.businessStatus.coding[0].code, now.body.extension.length]).toEqual(['reviewed', 1])
  })
})

describe('breaking the glass is refused', () => {
  it('without the scope, for another purpose, and to the auditor', async () => {
    const { patient } = await closedPatient()
    gateway.tokens['unscoped'] = await gateway.token('emergency', '--scope', 'system/*.rs')
    gateway.tokens['btg'] = await gateway.token('ehr', '--purpose', 'BTG')
    for (const as of ['ehr', 'unscoped', 'btg', 'auditor', 'privacy', 'wallet']) {
      const refused = await breaks(patient, { as })
      expect([as, refused.status], refused.text).toEqual([as, 403])
    }
  })

  it.each<[string, unknown[], number]>([
    ['no reason', [{ name: 'comment', valueString: 'x' }], 400],
    ['a reason without a text', [reason({ text: undefined })], 422],
    ['a text that says nothing', [reason({ text: ' help  ' })], 422],
    ['a text without an end', [reason({ text: 'a'.repeat(1001) })], 422],
    ['no code', [reason({ coding: undefined })], 422],
    ['a code of another system', [reason({ coding: [{ ...SEVEN, system: 'urn:x' }] })], 422],
    ['an unknown code', [reason({ coding: [{ ...SEVEN, code: 'curious' }] })], 422],
    ['two codes', [reason({ coding: [SEVEN, SEVEN] })], 422],
    ['two reasons', [reason(), reason()], 400],
    ['a reason that is a string', [{ name: 'reason', valueString: TEXT }], 400],
  ])('for %s', async (_, given, status) => {
    const refused = await breaks('any', { as: 'emergency' }, ...given)
    expect([refused.status, refused.body.resourceType], refused.text).toEqual([status, 'OperationOutcome'])
  })

  it('for a reason, with all that it lacks at once; the definition says what that is', async () => {
    const refused = await breaks('any', { as: 'emergency' }, reason({ coding: undefined, text: 'help' }))
    expect(refused.body.issue.map(({ code }: { code: string }) => code)).toEqual(['code-invalid', 'required'])
    const { body } = await gateway.ask('GET', '/OperationDefinition/Patient-break-glass')
    const { documentation } = body.parameter.find(({ name }: { name: string }) => name === 'reason')
    for (const said of [...EMERGENCY_REASONS, '10 to 1000 letters']) expect(documentation).toContain(said)
  })

  it('by GET, and of whom nobody knows', async () => {
    expect((await gateway.ask('GET', '/Patient/any/$break-glass', undefined, { as: 'emergency' })).status).toBe(405)
    expect((await breaks('nobody')).status).toBe(404)
    const identifier = (system: string, value: string) => ({ name: 'identifier', valueIdentifier: { system, value } })
    const unknown = `0x${randomBytes(32).toString('hex')}`
    const at = (...given: unknown[]) =>
      gateway.ask('POST', '/Patient/$break-glass', parameters(reason(), ...given), { as: 'emergency' })
    expect((await at()).status).toBe(422)
    expect((await at(identifier('urn:x', unknown))).status).toBe(422)
    const nowhere = await at(identifier('https://consentry.health/fhir/sid/patient-id', unknown))
    expect([nowhere.status, issues(nowhere)]).toEqual([422, expect.stringContaining('No such patient')])
  })

  it('while the patient forbids it, which custody signs for on a document, and that attempt is told too', async () => {
    const patient = await gateway.create({ resourceType: 'Patient', name: [{ family: 'Forbidding' }] })
    const form = await gateway.form(patient)
    const veto = (as: string, ...parameter: unknown[]) =>
      gateway.ask('POST', `/Patient/${patient}/$emergency-veto`, parameters(...parameter), { as })
    const vetoed = { name: 'vetoed', valueBoolean: true }
    expect((await veto('wallet', vetoed)).body.parameter[0].name).toBe('typedData')
    expect((await veto('wallet')).status).toBe(400)
    expect((await veto('ehr', vetoed, form)).status).toBe(403)
    const wrong = await gateway.form(await gateway.create({ resourceType: 'Patient' }))
    expect((await veto('wallet', vetoed, wrong)).status).toBe(422)
    const done = await veto('wallet', vetoed, form)
    expect([done.status, done.body.parameter?.[0].valueBoolean], done.text).toEqual([200, true])
    const refused = await breaks(patient)
    expect([refused.status, issues(refused)]).toEqual([403, expect.stringContaining('forbidden emergency access')])
    const told = await gateway.ask('GET', `/Communication?subject=Patient/${patient}`, undefined, { as: 'privacy' })
    expect(told.body.entry.map(({ resource }: { resource: { status: string } }) => resource.status)).toEqual([
      'not-done',
    ])
    expect((await veto('wallet', { name: 'vetoed', valueBoolean: false }, form)).status).toBe(200)
    expect((await breaks(patient)).status).toBe(200)
    expect((await veto('wallet', vetoed, form)).status).toBe(200)
    const made = await gateway.create(observation(patient))
    expect(await read(made)).toBe(403)
  })

  it('while a patient with a wallet forbids it by signature, and by no other signature', async () => {
    const wallet = Wallet.createRandom()
    const { patient, ledgerId } = await closedPatient()
    await gateway.claim(ledgerId, wallet)
    const vetoed = { name: 'vetoed', valueBoolean: true }
    const ask = (...parameter: unknown[]) =>
      gateway.ask('POST', `/Patient/${patient}/$emergency-veto`, parameters(vetoed, ...parameter))
    await eventually(async () =>
      (await gateway.ledger()).reader.read('IdentityRegistry', 'controllerOf', ledgerId),
    ).toBe(wallet.address.toLowerCase())
    const data = JSON.parse((await ask()).body.parameter[0].valueString as string) as {
      domain: object
      types: Record<string, { name: string; type: string }[]>
      message: { deadline: string | number }
    }
    const { EIP712Domain: _, ...types } = data.types
    const deadline = { name: 'deadline', valueString: String(data.message.deadline) }
    const by = async (signer: Pick<Wallet, 'signTypedData'>) => ({
      name: 'signature',
      valueString: await signer.signTypedData(data.domain, types, data.message),
    })
    expect((await ask(await by(Wallet.createRandom()), deadline)).status).toBe(422)
    const done = await ask(await by(wallet), deadline)
    expect([done.status, done.body.parameter?.[0].valueBoolean], done.text).toEqual([200, true])
    // The same signature a second time is void.
    expect((await ask(await by(wallet), deadline)).status).toBe(422)
  })

  it('beyond what one person may in a day; what the ledger refused is not counted', async () => {
    // Two were let through above (one patient closed, one who lifted the veto): one is left of three.
    const { patient } = await closedPatient()
    expect((await breaks(patient)).status).toBe(200)
    const { patient: other } = await closedPatient()
    const [first, second] = await Promise.all([breaks(other), breaks(other)])
    for (const refused of [first, second]) {
      expect([refused.status, Number(refused.headers.get('retry-after')) > 3_600], refused.text).toEqual([429, true])
    }
  })
})

describe('an emergency that the gateway did not send', () => {
  it('is told all the same, without what only its author knows', async () => {
    const { patient, ledgerId } = await closedPatient()
    const { reader, keys } = await gateway.ledger()
    const hash: Hex = `0x${randomBytes(32).toString('hex')}`
    await gateway.send(reader.contracts.write('ConsentRegistry', 'breakGlass', ledgerId, keys.id, hash))
    const found = async () =>
      (await gateway.ask('GET', `/Task?patient=Patient/${patient}`, undefined, { as: 'privacy' })).body.total as number
    await eventually(found).toBe(1)
    const { body } = await gateway.ask('GET', `/Task?patient=Patient/${patient}`, undefined, { as: 'privacy' })
    expect(body.entry[0].resource).toMatchObject({ status: 'requested', identifier: [{ value: hash }] })
    expect(body.entry[0].resource.reasonCode).toBeUndefined()
  })

  it('and reviews that are open stand in the metrics', async () => {
    const metrics = await (await fetch(`${new URL(gateway.fhir).origin}/metrics`)).text()
    expect(metrics).toMatch(/consentry_emergency_reviews\{state="open"\} [1-9]/)
    expect(metrics).toMatch(/consentry_emergency_reviews\{state="overdue"\} 0/)
  })
})

describe('what is kept of all this', () => {
  it('holds before fsck: notices are of the patients and under the keys that their rows say', async () => {
    const data = gateway.data
    await gateway.stop()
    const { code, out } = await run(data, 'cli/fsck.js')
    expect([code, out.match(/BAD .*/g)], out).toEqual([0, null])
  })
})

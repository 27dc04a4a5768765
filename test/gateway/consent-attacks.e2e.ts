import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Wallet } from 'ethers'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WALLET_SCOPE } from '../../src/auth/wallet-scope.js'
import { requestToken } from '../../src/cli/access-token.js'
import { grantOf } from '../../src/cli/story/consents.js'
import { labelId } from '../../src/consent/labels.js'
import type { Hex } from '../../src/ledger/hex.js'
import { type Grant, relayCall, signTypedData, typedData } from '../../src/ledger/typed-data.js'
import { eventually } from '../ledger/support/eventually.js'
import { type Answer, authorised, ConsentGateway, observation } from './consent-gateway.js'

let gateway: ConsentGateway
const clinic: Hex = `0x${randomBytes(32).toString('hex')}`
const WALLET = { as: 'wallet' }
const EVIDENCE = 'https://consentry.health/fhir/StructureDefinition/ledger-evidence'
const issues = (answer: Answer): string => JSON.stringify(answer.body.issue)
let patient: string
let form: ReturnType<typeof authorised>

beforeAll(async () => {
  gateway = await ConsentGateway.shared()
  await gateway.registerClinic(clinic)
  patient = await gateway.create({ resourceType: 'Patient', name: [{ family: 'Custodial' }] })
  form = await gateway.form(patient)
  // The mirror knows the clinic once a grant to it can be prepared.
  const probe = await gateway.propose(patient, clinic)
  while ((await gateway.operation(probe, 'to-sign')).status !== 200) await sleep(20)
})
afterAll(() => gateway?.close())

async function active(): Promise<string> {
  const consent = await gateway.propose(patient, clinic)
  const signed = await gateway.operation(consent, 'sign', [form], WALLET)
  expect([signed.status, signed.body.status], signed.text).toEqual([200, 'active'])
  return consent
}

/** Tries, and sees that neither the ledger nor the Consent has moved. */
async function refused(consent: string, ask: () => Promise<Answer>): Promise<Answer> {
  const before = await gateway.ask('GET', `/Consent/${consent}`)
  const might = await gateway.mayRead(patient, clinic)
  const answer = await ask()
  expect(answer.status, answer.text).toBeGreaterThanOrEqual(400)
  expect(answer.body.resourceType).toBe('OperationOutcome')
  expect(await gateway.mayRead(patient, clinic)).toBe(might)
  expect((await gateway.ask('GET', `/Consent/${consent}`)).text).toBe(before.text)
  return answer
}

describe('the wallet service', () => {
  it('signs for no client without its scope, and the scope is for whom it is registered', async () => {
    const consent = await gateway.propose(patient, clinic)
    gateway.tokens['greedy'] = await gateway.token('ehr', '--scope', `system/*.cruds ${WALLET_SCOPE}`)
    for (const as of ['ehr', 'greedy']) {
      const answer = await refused(consent, () => gateway.operation(consent, 'sign', [form], { as }))
      expect([answer.status, issues(answer)], as).toEqual([403, expect.stringContaining(WALLET_SCOPE)])
    }
    gateway.tokens['narrowed'] = await gateway.token(
      'wallet',
      '--scope',
      'system/Consent.ru system/DocumentReference.r',
    )
    expect((await refused(consent, () => gateway.operation(consent, 'sign', [form], { as: 'narrowed' }))).status).toBe(
      403,
    )
    gateway.tokens['blind'] = await gateway.token('wallet', '--scope', `system/Consent.ru ${WALLET_SCOPE}`)
    const blind = await refused(consent, () => gateway.operation(consent, 'sign', [form], { as: 'blind' }))
    expect([blind.status, issues(blind)]).toEqual([403, expect.stringContaining('system/DocumentReference.r')])
  })

  it('signs for no client of another entity, whatever its scopes', async () => {
    const consent = await active()
    const { privateKey } = await generateKeyPair('ES384', { extractable: true })
    const key = { ...(await exportJWK(privateKey)), kid: 'clinic-1', alg: 'ES384', use: 'sig' } satisfies JWK
    const { d: _, ...publicKey } = key
    const scopes = `system/*.cruds ${WALLET_SCOPE}`
    const client = { id: 'clinic', entity: clinic, scopes, role: 'system', jwks: { keys: [publicKey] } }
    await gateway.registerClient(client)
    const asked = { baseUrl: gateway.fhir, clientId: 'clinic', privateKey: key, scope: scopes }
    gateway.tokens['clinic'] = (await requestToken(asked)).accessToken
    const answer = await refused(consent, () => gateway.operation(consent, 'revoke', [form], { as: 'clinic' }))
    expect([answer.status, issues(answer)]).toEqual([403, expect.stringContaining('its own entity')])
    expect((await gateway.operation(consent, 'revoke', [form], WALLET)).body.status).toBe('inactive')
  })

  it('signs on nothing but a document of this patient that is in force', async () => {
    const consent = await gateway.propose(patient, clinic)
    const stranger = await gateway.create({ resourceType: 'Patient', name: [{ family: 'Stranger' }] })
    const observed = await gateway.create(observation(patient))
    const other = await gateway.propose(patient, clinic)
    const attempts: [string, object, number, string][] = [
      ['free text', { name: 'authorisation', valueString: 'form 1' }, 400, 'valueReference'],
      ['nothing', { name: 'authorisation', valueReference: { display: 'form 1' } }, 422, 'Name the document'],
      ['what does not exist', authorised('DocumentReference/none'), 422, 'not a document of this patient'],
      ['another patient’s form', await gateway.form(stranger), 422, 'not a document of this patient'],
      ['a form of nobody', await gateway.form(patient, { subject: undefined }), 422, 'not a document of this patient'],
      ['no document', authorised(`Observation/${observed}`), 422, 'DocumentReference, Consent, QuestionnaireResponse'],
      ['another server’s form', authorised('https://other.example/fhir/DocumentReference/1'), 422, 'of this server'],
      ['itself', authorised(`Consent/${consent}`), 422, 'not a document of this patient'],
      ['another proposal', authorised(`Consent/${other}`), 422, 'does not authorise a grant'],
      ['a superseded form', await gateway.form(patient, { status: 'superseded' }), 422, 'must be current'],
      ['a mistaken form', await gateway.form(patient, { status: 'entered-in-error' }), 422, 'must be current'],
    ]
    for (const [what, parameter, status, word] of attempts) {
      const answer = await refused(consent, () => gateway.operation(consent, 'sign', [parameter], WALLET))
      expect([answer.status, issues(answer)], what).toEqual([status, expect.stringContaining(word)])
      expect(answer.text).toContain('authorisation')
    }
  })
})

describe('what the ledger writes', () => {
  const provision = () => grantOf(patient, clinic, ['read'])['provision'] as object
  const other = { securityLabel: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'HIV' }] }

  it('is changed by no client: update, delete and both in a Bundle; and a revocation goes by what was signed', async () => {
    const consent = await active()
    const { body } = await gateway.ask('GET', `/Consent/${consent}`)
    const { extension: _, verification: __, ...plain } = body
    const changes = [
      { ...plain, status: 'proposed', provision: { ...provision(), ...other } },
      { ...plain, status: 'entered-in-error' },
      { ...plain, status: 'proposed', meta: undefined },
    ]
    const path = `/Consent/${consent}`
    const bundle = (type: string, request: object, resource?: object) => ({
      resourceType: 'Bundle',
      type,
      entry: [{ ...(resource ? { resource } : {}), request }],
    })
    for (const changed of changes) {
      expect((await refused(consent, () => gateway.ask('PUT', path, changed))).status).toBe(409)
      const put = bundle('transaction', { method: 'PUT', url: `Consent/${consent}` }, changed)
      const answer = await refused(consent, () => gateway.ask('POST', '', put))
      expect([answer.status, issues(answer)]).toEqual([409, expect.stringContaining('Bundle.entry[0].resource')])
    }
    const patch = [{ op: 'replace', path: '/status', value: 'rejected' }]
    const headers = { 'content-type': 'application/json-patch+json' }
    const patched = await refused(consent, () => gateway.ask('PATCH', path, patch, { headers }))
    expect([403, 409], patched.text).toContain(patched.status)
    const found = `/Consent?_id=${consent}`
    expect((await refused(consent, () => gateway.ask('DELETE', found))).status).toBe(409)
    expect((await refused(consent, () => gateway.ask('DELETE', path))).status).toBe(409)
    const deletion = { method: 'DELETE', url: `Consent/${consent}` }
    expect((await refused(consent, () => gateway.ask('POST', '', bundle('transaction', deletion)))).status).toBe(409)
    const batch = await gateway.ask('POST', '', bundle('batch', deletion))
    expect(batch.body.entry[0].response.status).toContain('409')
    expect(await gateway.mayRead(patient, clinic)).toBe(true)
    expect((await gateway.operation(consent, 'revoke', [form], WALLET)).body.status).toBe('inactive')
    expect(await gateway.mayRead(patient, clinic)).toBe(false)
    expect((await refused(consent, () => gateway.ask('DELETE', path))).status).toBe(409)
  })

  it('is said by no client: status, verification or evidence of a grant', async () => {
    const proposal = grantOf(patient, clinic, ['read'])
    const evidence = { extension: [{ url: EVIDENCE, extension: [{ url: 'chainId', valueString: '1' }] }] }
    const holding = { meta: undefined, sourceReference: { reference: '#c' } }
    const attempts: [object, number, string][] = [
      [{ status: 'active' }, 422, 'Consent.status'],
      [{ status: 'inactive' }, 422, 'Consent.status'],
      [{ verification: [{ verified: true }] }, 422, 'Consent.verification'],
      [evidence, 403, 'evidence of the ledger'],
      [{ ...evidence, meta: undefined }, 403, 'evidence of the ledger'],
      [{ ...holding, contained: [{ ...proposal, ...evidence, id: 'c' }] }, 403, 'evidence of the ledger'],
    ]
    for (const [over, status, word] of attempts) {
      const answer = await gateway.ask('POST', '/Consent', { ...proposal, ...over })
      expect([answer.status, issues(answer)], JSON.stringify(over)).toEqual([status, expect.stringContaining(word)])
      const entry = [{ resource: { ...proposal, ...over }, request: { method: 'POST', url: 'Consent' } }]
      const bundled = await gateway.ask('POST', '', { resourceType: 'Bundle', type: 'transaction', entry })
      expect(bundled.status, bundled.text).toBe(status)
    }
  })

  it('is not what was changed between the data to sign and the signature', async () => {
    const consent = await gateway.propose(patient, clinic)
    expect((await gateway.operation(consent, 'to-sign')).status).toBe(200)
    const { body } = await gateway.ask('GET', `/Consent/${consent}`)
    const changed = await gateway.ask('PUT', `/Consent/${consent}`, {
      ...body,
      provision: { ...provision(), ...other },
    })
    expect(changed.status, changed.text).toBe(200)
    const signature = { name: 'signature', valueString: `0x${'11'.repeat(64)}1b` }
    expect((await refused(consent, () => gateway.operation(consent, 'sign', [signature]))).status).toBe(409)
    const never = await refused(consent, () => gateway.operation(consent, 'revoke', [form], WALLET))
    expect([never.status, issues(never)]).toEqual([409, expect.stringContaining('nothing to revoke')])
  })

  it('follows what the patient decides in a wallet of its own, without the gateway', async () => {
    const wallet = Wallet.createRandom()
    const own = await gateway.create({ resourceType: 'Patient', name: [{ family: 'Walleted' }] })
    const consent = await gateway.propose(own, clinic)
    const signed = await gateway.operation(consent, 'sign', [await gateway.form(own)], WALLET)
    expect(signed.body.status, signed.text).toBe('active')
    const id = await gateway.ledgerId(own)
    await gateway.claim(id, wallet)
    // Whose key it is has changed; what was granted stands.
    expect(await gateway.mayRead(own, clinic)).toBe(true)
    const state = async (): Promise<string> => (await gateway.ask('GET', `/Consent/${consent}`)).body.status as string
    expect(await state()).toBe('active')
    const { reader } = await gateway.ledger()
    const deadline = Math.floor(Date.now() / 1000) + 3_600
    const grants = async (): Promise<Answer> => gateway.ask('GET', `/Consent?patient=Patient/${own}&status=active`)
    const grant: Grant = {
      patient: id,
      grantee: clinic,
      labels: [labelId('general')],
      actions: 0b10,
      purposes: 1,
      categories: 2n ** 64n - 1n,
      from: 1_700_000_000,
      to: 2 ** 40 - 1,
      packageHash: `0x${'00'.repeat(32)}`,
      policyHash: `0x${'00'.repeat(32)}`,
      nonce: await reader.read('ConsentRegistry', 'grantNonce', id),
      deadline,
    }
    const given = await signTypedData(wallet, typedData(reader.contracts, 'Grant', grant))
    await gateway.send(relayCall(reader.contracts, 'Grant', grant, given))
    await eventually(async () => (await grants()).body.total).toBe(2)
    const nonce = await reader.read('ConsentRegistry', 'revocationNonce', id)
    const all = { patient: id, nonce, deadline }
    const taken = await signTypedData(wallet, typedData(reader.contracts, 'RevokeAll', all))
    // The care grant falls too: the hospital may read no more, and what it writes meanwhile says so.
    await gateway.send(relayCall(reader.contracts, 'RevokeAll', all, taken))
    await eventually(async () => (await gateway.ask('GET', `/Consent/${consent}`)).status).toBe(403)
    const trail = async (): Promise<string> =>
      (await gateway.ask('GET', `/AuditEvent?patient=Patient/${own}&_count=200`, undefined, { as: 'auditor' })).text
    await eventually(async () => (await trail()).split('the ledger says inactive').length - 1).toBe(2)
  })
})

describe('the operations', () => {
  it('are defined where the CapabilityStatement says, and the definitions are the server’s', async () => {
    const { body } = await gateway.ask('GET', '/metadata')
    const listed = (body.rest[0].resource as { type: string; operation?: { name: string; definition: string }[] }[])
      .flatMap(({ type, operation = [] }) => operation.map((one) => ({ type, ...one })))
      .filter(({ definition }) => definition.startsWith('https://consentry.health/'))
    expect(listed.map(({ type, name }) => `${type}/$${name}`).sort()).toEqual([
      'AuditEvent/$verify',
      'Consent/$receipt',
      'Consent/$revoke',
      'Consent/$sign',
      'Consent/$to-sign',
      'Patient/$break-glass',
      'Patient/$claim',
      'Patient/$emergency-veto',
      'Patient/$ledger-id',
      'Patient/$request-access',
      'Patient/$revoke-all',
      'Provenance/$verify',
      'Task/$accept',
      'Task/$refuse',
      'Task/$review',
      'Task/$withdraw',
    ])
    for (const { type, name, definition } of listed) {
      const path = `/OperationDefinition/${definition.split('/').at(-1)}`
      for (const as of ['ehr', 'auditor']) {
        const read = await gateway.ask('GET', path, undefined, { as })
        expect([read.status, read.body.url, read.body.code], read.text).toEqual([200, definition, name])
        expect(read.body.resource).toContain(type)
      }
      const { body: own } = await gateway.ask('GET', path)
      expect((await gateway.ask('PUT', path, own)).status).toBe(405)
    }
    expect((await gateway.ask('GET', '/OperationDefinition/none')).status).toBe(404)
  })

  it('ask what they need in order: first the input, then the scopes, to read the Consent too', async () => {
    const consent = await gateway.propose(patient, clinic)
    for (const body of [undefined, {}, { resourceType: 'Parameters' }]) {
      const answer = await refused(consent, () => gateway.ask('POST', `/Consent/${consent}/$sign`, body))
      expect([answer.status, answer.body.issue[0].code], answer.text).toEqual([422, 'required'])
    }
    gateway.tokens['unread'] = await gateway.token('ehr', '--scope', 'system/Consent.u')
    for (const [name, parameter] of [
      ['to-sign', []],
      ['sign', [{ name: 'signature', valueString: '0x00' }]],
      ['revoke', [{ name: 'signature', valueString: '0x00' }]],
    ] as const) {
      const answer = await refused(consent, () => gateway.operation(consent, name, parameter, { as: 'unread' }))
      expect([answer.status, issues(answer)]).toEqual([403, expect.stringContaining('system/Consent.r')])
    }
  })

  it.each<[string, string, unknown, number, string]>([
    ['a parameter that it has not', 'POST', [{ name: 'force', valueBoolean: true }], 400, 'signature, authorisation'],
    ['a parameter of another type', 'POST', [{ name: 'signature', valueBoolean: true }], 400, 'valueString'],
    ['a parameter twice', 'POST', [1, 2].map(() => ({ name: 'signature', valueString: '0x00' })), 400, '1 time'],
    ['another resource', 'POST', null, 400, 'Parameters'],
    ['a GET, which must change nothing', 'GET', undefined, 405, 'POST'],
  ])('refuse %s', async (_, method, parameter, status, word) => {
    const consent = await gateway.propose(patient, clinic)
    const body = parameter === null ? observation(patient) : { resourceType: 'Parameters', parameter }
    const answer = await refused(consent, () =>
      gateway.ask(method, `/Consent/${consent}/$sign`, parameter === undefined ? undefined : body),
    )
    expect([answer.status, issues(answer)]).toEqual([status, expect.stringContaining(word)])
  })
})

describe('a claim of the grant profile', () => {
  const broken = () => {
    const consent = grantOf(patient, clinic, ['read'])
    return {
      ...consent,
      provision: { ...(consent['provision'] as object), class: [{ system: 'urn:ietf:rfc:3986', code: 'Condition' }] },
    }
  }

  it('is held to the profile, in a transaction too, and is nobody’s duty', async () => {
    const alone = await gateway.ask('POST', '/Consent', broken())
    expect([alone.status, issues(alone)], alone.text).toEqual([
      422,
      expect.stringContaining('"expression":["Consent.provision.class'),
    ])
    const entry = [{ resource: broken(), request: { method: 'POST', url: 'Consent' } }]
    const bundled = await gateway.ask('POST', '', { resourceType: 'Bundle', type: 'transaction', entry })
    expect([bundled.status, issues(bundled)]).toEqual([
      422,
      expect.stringContaining('"expression":["Bundle.entry[0].resource.provision.class'),
    ])
    const unclaimed = await gateway.ask('POST', '/Consent', { ...broken(), meta: undefined })
    expect(unclaimed.status, unclaimed.text).toBe(201)
  })

  it('is what an active Consent about privacy needs: none looks as if it were in force and is not', async () => {
    const scope = (code: string) => ({
      scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code }] },
    })
    const category = [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }]
    const plain = { ...grantOf(patient, clinic, ['read']), meta: undefined, status: 'active', category }
    const disclosing = { category: grantOf(patient, clinic, ['read'])['category'] }
    for (const looks of [{}, { scope: { text: 'Privacy' } }, { ...scope('treatment'), ...disclosing }]) {
      const answer = await gateway.ask('POST', '/Consent', { ...plain, ...looks })
      expect([answer.status, issues(answer)], answer.text).toEqual([422, expect.stringContaining('Consent.status')])
      expect(issues(answer)).toContain('consentry-grant')
    }
    const proposed = await gateway.create({ ...plain, status: 'proposed' })
    const patch = [{ op: 'replace', path: '/status', value: 'active' }]
    const headers = { 'content-type': 'application/json-patch+json' }
    expect((await gateway.ask('PATCH', `/Consent/${proposed}`, patch, { headers })).status).toBe(422)
    const entry = [{ resource: plain, request: { method: 'POST', url: 'Consent' } }]
    expect((await gateway.ask('POST', '', { resourceType: 'Bundle', type: 'transaction', entry })).status).toBe(422)
    expect((await gateway.ask('POST', '/Consent', { ...plain, status: 'inactive' })).status).toBe(201)
    for (const code of ['treatment', 'research', 'adr']) {
      expect((await gateway.ask('POST', '/Consent', { ...plain, ...scope(code) })).status).toBe(201)
    }
  })
})

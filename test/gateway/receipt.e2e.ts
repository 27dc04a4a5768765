import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import decodeQR from 'qr/decode.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ConsentReceipt } from '../../src/consent/receipt.js'
import { verifyReceipt } from '../../src/consent/receipt-verdict.js'
import { requireSaysNoMore } from '../../src/gateway/consent/receipt-consent.js'
import type { Hex } from '../../src/ledger/hex.js'
import { run } from '../support/gateway.js'
import { type Answer, ConsentGateway } from './consent-gateway.js'

let gateway: ConsentGateway
let files: string
const WALLET = { as: 'wallet' }
const clinic: Hex = `0x${randomBytes(32).toString('hex')}`

beforeAll(async () => {
  // The contract is asked at every decision: the whole process runs so too.
  gateway = await ConsentGateway.open({ CONSENT_MODE: 'chain' })
  await gateway.registerClinic(clinic)
  files = await mkdtemp(join(tmpdir(), 'consentry-receipt-'))
})
afterAll(async () => {
  await gateway?.close()
  await rm(files, { recursive: true, force: true })
})

const ask = (consent: string, as = 'ehr'): Promise<Answer> =>
  gateway.ask('GET', `/Consent/${consent}/$receipt`, undefined, { as })
const part = ({ body }: Answer, name: string) =>
  body.parameter.find((one: { name: string }) => one.name === name) as {
    valueString: string
    valueAttachment: { data: string; contentType: string }
  }
const attached = (answer: Answer, name: string): string =>
  Buffer.from(part(answer, name).valueAttachment.data, 'base64').toString()
const receiptOf = (answer: Answer) => JSON.parse(attached(answer, 'receipt')) as ConsentReceipt

async function verify(content: string, ...options: string[]) {
  const file = join(files, `${randomBytes(6).toString('hex')}.json`)
  await writeFile(file, content)
  return run(gateway.data, 'cli/verify-receipt.js', [file, ...options])
}

async function granted(): Promise<{ patient: string; consent: string }> {
  const patient = await gateway.create({ resourceType: 'Patient', name: [{ family: 'Willing' }] })
  const consent = await gateway.propose(patient, clinic)
  const signed = await gateway.operation(consent, 'sign', [await gateway.form(patient)], WALLET)
  expect(signed.status, signed.text).toBe(200)
  return { patient, consent }
}

describe('the receipt of a grant', () => {
  let patient: string
  let consent: string
  let answer: Answer
  beforeAll(async () => {
    ;({ patient, consent } = await granted())
    answer = await ask(consent)
    expect(answer.status, answer.text).toBe(200)
  })

  it('is a record of ISO/IEC TS 27560 about this patient, this grantee and this transaction', async () => {
    const { record, ledger, consent: told } = receiptOf(answer)
    const ledgerId = await gateway.ledgerId(patient)
    expect(record).toMatchObject({
      schema_version: 'ISO/IEC TS 27560:2023',
      record_id: `${gateway.fhir}/Consent/${consent}`,
      pii_principal_id: ledgerId,
      pii_processing: {
        purposes: [
          {
            purpose: 'TREAT',
            lawful_basis: 'consent',
            recipient_third_parties: [clinic],
            pii_information: [{ pii_type: 'general', sensitive_pii_category: false }],
            processing_methods: ['read'],
          },
        ],
      },
      consent_events: [{ event_state: 'given', transaction: ledger.events[0]?.transaction }],
    })
    expect(told).toMatchObject({ resourceType: 'Consent', id: consent, status: 'active' })
    const evidence = JSON.stringify(told['extension'])
    expect(evidence).toContain(String(ledger.events[0]?.transaction))
  })

  it('is checked offline, against its QR code, and against a node of the chain', async () => {
    const offline = await verify(answer.text)
    expect([offline.code, offline.err]).toEqual([0, ''])
    expect(offline.out).toMatch(/general +read +in force/)
    const code = part(answer, 'code').valueString
    expect(scanned(attached(answer, 'qr'))).toBe(code)
    const { port } = await gateway.chain()
    const online = await verify(
      attached(answer, 'receipt'),
      '--code',
      code,
      '--rpc',
      `http://127.0.0.1:${port}`,
      '--json',
    )
    expect([online.code, online.err]).toEqual([0, ''])
    expect(JSON.parse(online.out)).toMatchObject({ genuine: true, code, now: { words: [{ state: 'in force' }] } })

    const other = await verify(
      answer.text,
      '--code',
      code.replace(/.$/, (last) => (last === '0' ? '1' : '0')),
    )
    expect([other.code, other.out]).toEqual([1, ''])
    expect(other.err).toContain('another receipt')
  })

  const change = (path: readonly (string | number)[], value: unknown): unknown => {
    const copy = structuredClone(receiptOf(answer)) as unknown as Record<string | number, unknown>
    let at = copy
    for (const step of path.slice(0, -1)) at = at[step] as typeof at
    at[path.at(-1) as string] = value
    return copy
  }
  const otherId = `0x${'ab'.repeat(32)}`
  it.each<[string, readonly (string | number)[], unknown]>([
    ['another grantee', ['ledger', 'grant', 'grantee'], otherId],
    ['another patient', ['ledger', 'grant', 'patient'], otherId],
    ['another label', ['ledger', 'grant', 'labels'], [otherId]],
    ['more purposes', ['ledger', 'grant', 'purposes'], 3],
    ['more actions', ['ledger', 'grant', 'actions'], 3],
    ['a longer period', ['ledger', 'grant', 'to'], 2 ** 39],
    ['fewer categories', ['ledger', 'grant', 'categories'], '1'],
    ['another registry', ['ledger', 'contracts', 'ConsentRegistry'], `0x${'ab'.repeat(20)}`],
    ['another transaction', ['ledger', 'events', 0, 'transaction'], otherId],
    ['another recipient in the record', ['record', 'party_identification', 2, 'party_id'], otherId],
    ['another purpose in the record', ['record', 'pii_processing', 'purposes', 0, 'purpose'], 'HRESCH'],
    ['another state in the record', ['record', 'consent_events', 0, 'event_state'], 'withdrawn'],
    ['a proof without its words', ['ledger', 'proof', 'accounts', 0, 'words'], []],
    ['a proof without its nodes', ['ledger', 'proof', 'accounts', 0, 'nodes'], []],
    ['a Consent that gives more', ['consent', 'provision', 'action', 1], action('update')],
    ['a Consent for another', ['consent', 'provision', 'actor', 0, 'reference', 'identifier', 'value'], otherId],
    ['a Consent for more', ['consent', 'provision', 'purpose', 1], purpose('HRESCH')],
    ['a Consent that denies', ['consent', 'provision', 'type'], 'deny'],
  ])('does not stand with %s', (_, path, value) => {
    const changed = change(path, value)
    const says = (): void => requireSaysNoMore(changed as ConsentReceipt, verifyReceipt(changed))
    // What the record says follows from the grant, so a careful forger changes both: then the words of the ledger tell.
    expect(says).toThrow()
  })

  it('does not stand when grant and record are changed together', () => {
    const copy = structuredClone(receiptOf(answer)) as unknown as { ledger: { grant: { to: number } }; record: object }
    copy.ledger.grant.to = 2 ** 39
    copy.record = JSON.parse(
      JSON.stringify(copy.record).replaceAll(/"validity_duration":"([^/]+)\/\.\."/g, () => {
        return `"validity_duration":"${String((receiptOf(answer).record['consent_events'] as { validity_duration: string }[])[0]?.validity_duration.split('/')[0])}/9999-12-31T23:59:59Z"`
      }),
    ) as object
    expect(verifyReceipt(copy).words.map(({ state }) => state)).toEqual(['replaced'])
  })

  it.each([
    ['nothing', ''],
    ['no receipt', '{"resourceType":"Patient"}'],
    ['Parameters without one', '{"resourceType":"Parameters","parameter":[{"name":"code"}]}'],
  ])('of %s is none', async (_, text) => {
    const { code, out, err } = await verify(text)
    expect([code, out]).toEqual([2, ''])
    expect(err).toMatch(/no JSON|no receipt|no consent receipt/)
    expect(err).not.toMatch(/at .*\.js/)
  })

  it('is audited as such, and given to those alone who may read the Consent', async () => {
    const events = await gateway.ask('GET', `/AuditEvent?patient=Patient/${patient}&_count=200`, undefined, {
      as: 'auditor',
    })
    expect(events.text).toContain('"code":"receipt"')
    expect((await ask(consent, 'auditor')).status).toBe(403)
    expect((await ask('absent')).status).toBe(404)
    const proposed = await ask(await gateway.propose(patient, clinic, {}, { purpose: [purpose('HRESCH')] }))
    expect([proposed.status, proposed.text]).toEqual([409, expect.stringContaining('nothing to prove')])
  })

  it('tells after the revocation that it is withdrawn; the one from before still tells what was', async () => {
    const revoked = await gateway.operation(consent, 'revoke', [await gateway.form(patient)], WALLET)
    expect(revoked.status, revoked.text).toBe(200)
    const after = await ask(consent)
    const receipt = receiptOf(after)
    expect(verifyReceipt(receipt).words.map(({ state }) => state)).toEqual(['withdrawn'])
    expect(receipt.record['consent_events']).toMatchObject([{ event_state: 'given' }, { event_state: 'withdrawn' }])
    expect((await verify(after.text)).out).toMatch(/general +read +withdrawn/)
    const { port } = await gateway.chain()
    const before = await verify(answer.text, '--rpc', `http://127.0.0.1:${port}`)
    expect([before.code, before.err]).toEqual([0, ''])
    expect(before.out).toMatch(/in force[^]*Now, at[^]*withdrawn/)
  })
})

function action(code: string): object {
  return { coding: [{ system: 'https://consentry.health/fhir/CodeSystem/consent-action', code }] }
}

function purpose(code: string): object {
  return { system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code }
}

/** What a phone would read from the SVG: its squares as pixels, six by six. */
function scanned(svg: string): string {
  const side = Number(/viewBox="0 0 (\d+)/.exec(svg)?.[1])
  const scale = 6
  const data = new Uint8Array(side * scale * side * scale * 4).fill(255)
  let [x, y] = [0, 0]
  for (const [, kind, dx, dy] of svg.matchAll(/([Mm])(-?\d+)[ ,]?(-?\d+)/g)) {
    x = kind === 'M' ? Number(dx) : x + Number(dx)
    y = kind === 'M' ? Number(dy) : y + Number(dy)
    for (let row = y * scale; row < (y + 1) * scale; row++) {
      for (let column = x * scale; column < (x + 1) * scale; column++) {
        data.fill(0, (row * side * scale + column) * 4, (row * side * scale + column) * 4 + 3)
      }
    }
  }
  return decodeQR({ width: side * scale, height: side * scale, data })
}

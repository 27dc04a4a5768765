import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { labelBits } from '../../src/consent/labels.js'
import { ConsentryError } from '../../src/errors.js'
import { ownDefinitions } from '../../src/fhir/profiles.js'
import { Sensitivity } from '../../src/fhir/sensitivity.js'
import type { FhirInteractions, InteractionRequest } from '../../src/gateway/interaction.js'
import { interactionsOf } from '../../src/gateway/interactions.js'
import { metaOperations } from '../../src/gateway/meta.js'
import type { GatewayParts } from '../../src/gateway/parts.js'
import { asking, ehrOf } from './asking.js'
import { NoticeHospital } from './notice-hospital.js'

/**
 * A client that does not know of labels writes back what it has corrected, without them: the record stays as closed as it was. Who takes a
 * label away says so.
 */
let hospital: NoticeHospital
let parts: GatewayParts
let interactions: FhirInteractions
const ACT = 'http://terminology.hl7.org/CodeSystem/v3-ActCode'
const CONF = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality'
const PSY = { system: ACT, code: 'PSY' }
const HIV = { system: ACT, code: 'HIV' }
const RESTRICTED = { system: CONF, code: 'R' }
const ICD = 'http://hl7.org/fhir/sid/icd-10-cm'

beforeAll(async () => {
  hospital = await NoticeHospital.open()
  await hospital.mirrored()
  parts = { ...hospital.parts, sensitivity: new Sensitivity(ownDefinitions()) }
  interactions = interactionsOf(parts, metaOperations(parts))
  expect((await put({ resourceType: 'Patient', id: 'p1' })).status).toBe(201)
})
afterAll(() => hospital?.h.stop())

// The tests look into it freely.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Answer = { status: number; body: any }
const ask = async (over: Partial<InteractionRequest>, body: unknown): Promise<Answer> => {
  const request = asking(parts, over, body)
  const handler = interactions[request.interaction as 'update']
  if (handler === undefined) throw new Error(request.interaction)
  const { status, body: answer } = await handler(request)
  const text = answer instanceof Uint8Array ? Buffer.from(answer).toString() : JSON.stringify(answer ?? null)
  return { status, body: JSON.parse(text) }
}
const put = (resource: { resourceType: string; id: string }, over: Partial<InteractionRequest> = {}) =>
  ask({ type: resource.resourceType, id: resource.id, ...over }, resource)
const condition = (id: string, security: readonly object[] = [], code = 'J45.909') => ({
  resourceType: 'Condition',
  id,
  ...(security.length === 0 ? {} : { meta: { security } }),
  subject: { reference: 'Patient/p1' },
  code: { coding: [{ system: ICD, code }] },
})
const codes = ({ meta }: { meta: { security?: { code: string }[] } }) => (meta.security ?? []).map(({ code }) => code)
const bits = async (id: string): Promise<bigint | undefined> =>
  (await parts.records.read([{ type: 'Condition', id }]))[0]?.labels
/** A Condition with these labels. */
async function made(...security: object[]): Promise<string> {
  const id = randomUUID()
  expect((await put(condition(id, security))).status).toBe(201)
  return id
}

describe('an update that leaves labels out', () => {
  it('keeps those that somebody gave, and adds what it says', async () => {
    const id = await made(PSY, RESTRICTED)
    const plain = await put(condition(id))
    expect([plain.status, codes(plain.body), await bits(id)]).toEqual([200, ['PSY', 'R'], labelBits(['PSY', 'R'])])
    const other = await put(condition(id, [HIV]))
    expect([codes(other.body), await bits(id)]).toEqual([['HIV', 'PSY', 'R'], labelBits(['HIV', 'PSY'])])
    // Said as it is: nothing twice.
    expect(codes((await put(condition(id, [RESTRICTED, PSY, HIV]))).body)).toEqual(['R', 'PSY', 'HIV'])
  })

  it('keeps a class that nobody here knows', async () => {
    const id = await made({ system: ACT, code: 'NEWCLASS' })
    expect(codes((await put(condition(id))).body)).toEqual(['NEWCLASS'])
    expect(await bits(id)).toBe(labelBits(['NEWCLASS']))
  })

  it('has the labels of its codes anew, and no others of a set', async () => {
    const id = randomUUID()
    expect(codes((await put(condition(id, [PSY], 'B20'))).body)).toEqual(['PSY', 'HIV'])
    expect(codes((await put(condition(id, [], 'B20'))).body)).toEqual(['PSY', 'HIV'])
    expect(codes((await put(condition(id))).body)).toEqual(['PSY'])
  })

  it('is the same in a transaction, and by a condition', async () => {
    const id = await made(PSY)
    const entry = [{ request: { method: 'PUT', url: `Condition/${id}` }, resource: condition(id) }]
    const { status } = await ask(
      { interaction: 'transaction', method: 'POST' },
      { resourceType: 'Bundle', type: 'transaction', entry },
    )
    expect([status, await bits(id)]).toEqual([200, labelBits(['PSY'])])
    const { id: _, ...resource } = condition(id)
    const request = asking(parts, { type: 'Condition', params: [['_id', id]] }, resource)
    expect((await interactions.update?.(request))?.status).toBe(200)
    expect(await bits(id)).toBe(labelBits(['PSY']))
  })

  it('keeps what the row says where the block is lost', async () => {
    const id = await made(PSY)
    const [row] = await parts.records.read([{ type: 'Condition', id }])
    await hospital.h.blocks.delete([row?.cid as string])
    expect(codes((await put(condition(id))).body)).toEqual(['PSY'])
  })

  it('begins anew where the record was deleted', async () => {
    const id = await made(PSY)
    const { status } = (await interactions.delete?.(
      asking(parts, { interaction: 'delete', method: 'DELETE', type: 'Condition', id }, null),
    )) as { status: number }
    expect(status).toBe(204)
    expect(codes((await put(condition(id))).body)).toEqual([])
  })

  it('is refused to who may not change what is there, and the trail says whose it was', async () => {
    const id = await made(PSY)
    const principal = { ...ehrOf(parts), purposes: ['BTG'] }
    const before = new Set((await trail()).map((row) => row.id))
    await expect(put(condition(id), { principal })).rejects.toThrow(ConsentryError)
    const [denial] = (await trail()).filter((row) => !before.has(row.id))
    expect(denial?.patient).toBe(hospital.h.custodial)
    expect(await bits(id)).toBe(labelBits(['PSY']))
  })
})

describe('a label that is to go', () => {
  it('is taken away by $meta-delete and by a patch', async () => {
    const id = await made(PSY, HIV)
    const body = { resourceType: 'Parameters', parameter: [{ name: 'meta', valueMeta: { security: [HIV] } }] }
    const operation = {
      interaction: 'operation',
      operation: 'meta-delete',
      method: 'POST',
      type: 'Condition',
      id,
    } as const
    expect((await ask(operation, body)).status).toBe(200)
    expect(await bits(id)).toBe(labelBits(['PSY']))
    const patch = [{ op: 'remove', path: '/meta/security' }]
    const headers = { 'content-type': 'application/json-patch+json' }
    const patched = await ask({ interaction: 'patch', method: 'PATCH', type: 'Condition', id, headers }, patch)
    expect([patched.status, await bits(id)]).toEqual([200, labelBits([])])
  })
})

async function trail() {
  const { rows } = await hospital.h.database.query<{ id: string; patient: Buffer | null }>(
    `SELECT id, patient FROM resource WHERE type = 'AuditEvent'`,
  )
  return rows.map(({ id, patient }) => ({ id, patient: patient && `0x${patient.toString('hex')}` }))
}

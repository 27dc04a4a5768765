import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportJWK, generateKeyPair } from 'jose'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fixedRegistry } from '../../src/auth/clients.js'
import { fileRegistry } from '../../src/embedded/client-registry.js'

const OWN = `0x${'ab'.repeat(32)}` as const
const pair = await generateKeyPair('ES384', { extractable: true })
const key = { ...(await exportJWK(pair.publicKey)), kid: 'k1' }
const client = { id: 'lab', jwks: { keys: [key] }, scopes: 'system/Observation.crus system/Patient.rs' }

let directory: string
let problems: string[]
let edits: number
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'consentry-clients-'))
  ;[problems, edits] = [[], 0]
})
afterEach(() => rm(directory, { recursive: true }))

const path = () => join(directory, 'clients.json')
const registry = (externalIssuer = false) =>
  fileRegistry(
    { path: path(), entity: OWN, externalIssuer, onProblem: ({ message }) => problems.push(message) },
    fixedRegistry([]),
  )
async function write(content: unknown): Promise<void> {
  await writeFile(path(), typeof content === 'string' ? content : JSON.stringify(content))
  // edits within one tick of the clock of the file system
  await utimes(path(), 1_800_000_000, 1_800_000_000 + ++edits)
}

it('has the clients of the file: for our entity and as a system, unless they say otherwise', async () => {
  const auditor = { ...client, id: 'audit', entity: `0x${'cd'.repeat(32)}`, role: 'auditor', purposes: ['HOPERAT'] }
  await write([client, auditor])
  const clients = registry()
  expect(await clients.find('lab')).toEqual({ ...client, entity: OWN, role: 'system' })
  expect(await clients.find('audit')).toEqual(auditor)
  expect(await clients.find('nobody')).toBeUndefined()
  expect(problems).toEqual([])
})

it('follows the file: none, edited, removed', async () => {
  const clients = registry()
  expect(await clients.find('lab')).toBeUndefined()
  await write([client])
  expect(await clients.find('lab')).toBeDefined()
  await write([{ ...client, id: 'other' }])
  expect(await clients.find('lab')).toBeUndefined()
  expect(await clients.find('other')).toBeDefined()
  await rm(path())
  expect(await clients.find('other')).toBeUndefined()
  expect(problems).toEqual([])
})

it('needs no keys where another issuer knows them', async () => {
  const { jwks: _, ...keyless } = client
  await write([keyless])
  expect(await registry(true).find('lab')).toMatchObject({ id: 'lab', jwks: { keys: [] } })
  expect(await registry().find('lab')).toBeUndefined()
})

describe('what cannot be used', () => {
  it.each([
    ['no list', { clients: [client] }, 'must be a list'],
    ['no JSON', '[{"id":"secret-looking"}', 'is not JSON'],
  ])('is no client, and the operator hears why, once: %s', async (_, content, why) => {
    await write(content)
    const clients = registry()
    expect(await clients.find('lab')).toBeUndefined()
    await clients.find('lab')
    expect(problems).toEqual([expect.stringContaining(why)])
    expect(problems.join()).not.toContain('secret-looking')
  })

  it.each([
    ['an id', { id: '' }, 'id must be'],
    ['its keys', { jwks: undefined }, 'jwks must be'],
    ['no key', { jwks: { keys: [] } }, 'jwks must be'],
    ['a key of another curve', { jwks: { keys: [{ ...key, crv: 'P-256' }] } }, 'P-384'],
    ['a key without kid', { jwks: { keys: [{ ...key, kid: undefined }] } }, 'kid'],
    ['a short RSA key', { jwks: { keys: [{ kty: 'RSA', kid: 'r', e: 'AQAB', n: 'A'.repeat(171) }] } }, '2048'],
    ['a private key', { jwks: { keys: [{ ...key, d: 'AA' }] } }, 'public keys alone'],
    ['a scope', { scopes: 'system/*.cruds openid' }, 'scopes must be'],
    ['no scope', { scopes: '' }, 'scopes must be'],
    ['an entity', { entity: 'hospital' }, 'entity must be'],
    ['a practitioner', { practitioner: 7 }, 'practitioner must be'],
    ['a role', { role: 'nurse' }, 'role must be one of system, auditor, patient'],
    ['a purpose', { purposes: ['care'] }, 'purposes must be'],
    ['a misspelt name', { scope: 'system/*.rs' }, 'scope is unknown'],
  ])('is told with its place and does not take the others with it: %s', async (_, over, why) => {
    await write([
      { ...client, ...over },
      { ...client, id: 'sound' },
    ])
    const clients = registry()
    expect(await clients.find('lab')).toBeUndefined()
    expect(await clients.find('sound')).toBeDefined()
    expect(problems).toEqual([expect.stringMatching(/^Client 1 of .*clients\.json is left out: /)])
    expect(problems[0]).toContain(why)
  })

  it('is the second client of one id', async () => {
    await write([client, { ...client, scopes: 'system/*.cruds' }])
    expect((await registry().find('lab'))?.scopes).toBe(client.scopes)
    expect(problems).toEqual([expect.stringContaining('Client 2')])
  })
})

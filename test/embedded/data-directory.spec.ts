import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openDataDirectory } from '../../src/embedded/data-directory.js'
import { BREAK_GLASS_SCOPE, PRIVACY_SCOPE } from '../../src/auth/own-scopes.js'
import { WALLET_SCOPE } from '../../src/auth/wallet-scope.js'
import { demoClients } from '../../src/embedded/demo-clients.js'
import { ENTITY } from '../support/clients.js'

let parent: string
let path: string
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'consentry-data-'))
  path = join(parent, 'deeper', '.consentry')
})
afterEach(() => rm(parent, { recursive: true }))
const mode = async (...parts: string[]) => ((await stat(join(path, ...parts))).mode & 0o777).toString(8)

describe('the data directory', () => {
  it('is made for the owner alone, and so is what is written into it', async () => {
    const directory = await openDataDirectory(path)
    await directory.write('clients/a.json', 'secret')
    expect([await mode(), await mode('clients'), await mode('clients', 'a.json')]).toEqual(['700', '700', '600'])
    await directory.close()
  })

  it('gives back what was written, whole, and nothing for what was not', async () => {
    const directory = await openDataDirectory(path)
    await directory.write('a', 'one')
    await directory.write('a', Buffer.from('two'))
    expect((await directory.read('a'))?.toString()).toBe('two')
    expect(await directory.read('b')).toBeUndefined()
    await directory.remove('a')
    expect(await directory.read('a')).toBeUndefined()
    await directory.close()
    expect((await readdir(path)).filter((name) => name.endsWith('.new'))).toEqual([])
  })

  it('is open once at a time, in one process too', async () => {
    const first = await openDataDirectory(path)
    await expect(openDataDirectory(path)).rejects.toThrow(`in use by process ${process.pid}`)
    await first.close()
    await (await openDataDirectory(path)).close()
  })

  it('tells where its gateway is, only while it is there', async () => {
    const directory = await openDataDirectory(path)
    await directory.announce('http://127.0.0.1:1/fhir')
    expect(JSON.parse((await directory.read('running.json'))?.toString() ?? '')).toEqual({
      fhirUrl: 'http://127.0.0.1:1/fhir',
      pid: process.pid,
    })
    await directory.close()
    expect(await readdir(path)).not.toContain('running.json')
  })
})

describe('demo clients', () => {
  it('keep their keys, show only the public half to the server, and have the scopes of their role', async () => {
    const directory = await openDataDirectory(path)
    const first = await demoClients(directory, ENTITY)
    const again = await demoClients(directory, ENTITY)
    await directory.close()
    expect(again).toEqual(first)
    expect(first.map(({ id, scopes, role, entity }) => ({ id, scopes, role, entity }))).toEqual([
      { id: 'ehr', scopes: 'system/*.cruds', role: 'system', entity: ENTITY },
      {
        id: 'wallet',
        scopes: `system/Consent.ru system/DocumentReference.r system/Patient.r system/QuestionnaireResponse.r system/Task.ru ${WALLET_SCOPE}`,
        role: 'system',
        entity: ENTITY,
      },
      { id: 'emergency', scopes: `system/*.rs ${BREAK_GLASS_SCOPE}`, role: 'system', entity: ENTITY },
      {
        id: 'privacy',
        scopes: `system/Task.rs system/Communication.rs ${PRIVACY_SCOPE}`,
        role: 'system',
        entity: ENTITY,
      },
      { id: 'auditor', scopes: 'system/AuditEvent.rs system/Provenance.rs', role: 'auditor', entity: ENTITY },
    ])
    expect(JSON.stringify(first)).not.toContain('"d":')
    expect(await mode('clients', 'ehr.json')).toBe('600')
  })
})

/**
 * node test/bench/load/bare-gateway.ts <data directory> [<database URL>]
 *
 * The gateway with sealing, audit and consent left out by its wiring: the same edge, validation, compartments, index and
 * rows; bodies go to the block store in plaintext, nothing is audited, every decision is yes, patients are linked
 * without a ledger. Only for the load bench, which measures what those three cost.
 */
import { createHash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import type { Access } from '../../../src/gateway/access.js'
import type { Bodies, SealableBody } from '../../../src/gateway/bodies.js'
import type { AuditTrail } from '../../../src/audit/audit-trail.js'
import type { Principal } from '../../../src/auth/principal.js'

const [directory, databaseUrl] = process.argv.slice(2) as [string, string?]
const compiled = new URL('../../../dist/src/', import.meta.url)
const load = <T>(module: string): Promise<T> => import(new URL(module, compiled).href) as Promise<T>

const { interactionsOf } = await load<typeof import('../../../src/gateway/interactions.js')>('gateway/interactions.js')
const { openDatabase } = await load<typeof import('../../../src/records/database.js')>('records/database.js')
const { startPglite } = await load<typeof import('../../../src/embedded/pglite.js')>('embedded/pglite.js')
const { RecordStore } = await load<typeof import('../../../src/records/record-store.js')>('records/record-store.js')
const { BlindIndex } = await load<typeof import('../../../src/records/blind-index.js')>('records/blind-index.js')
const { Conformance } = await load<typeof import('../../../src/gateway/conformance.js')>('gateway/conformance.js')
const { Sensitivity } = await load<typeof import('../../../src/fhir/sensitivity.js')>('fhir/sensitivity.js')
const { ownDefinitions, ownProfiles } = await load<typeof import('../../../src/fhir/profiles.js')>('fhir/profiles.js')
const { Patients } = await load<typeof import('../../../src/gateway/patients.js')>('gateway/patients.js')
const { LocalBlockStore } = await load<typeof import('../../../src/vault/blocks/local.js')>('vault/blocks/local.js')
const { createServer } = await load<typeof import('../../../src/http/server.js')>('http/server.js')
const { mountEdge } = await load<typeof import('../../../src/http/mount.js')>('http/mount.js')
const { fhirXml } = await load<typeof import('../../../src/fhir/xml.js')>('fhir/xml.js')
const { parseScopes } = await load<typeof import('../../../src/auth/scopes.js')>('auth/scopes.js')

const database = await openDatabase(
  databaseUrl === undefined ? { driver: (await startPglite(`${directory}/pglite`)).driver } : { url: databaseUrl },
)
const blocks = await LocalBlockStore.open(`${directory}/blocks`)
const entity = `0x${'e1'.repeat(32)}` as const
const index = new BlindIndex(Buffer.alloc(32, 1))

const bodies = {
  async seal(items: readonly SealableBody[]) {
    const stored = items.map(({ body }) => {
      const digest = createHash('sha256').update(body).digest()
      return { cid: CID.createV1(0x55, Digest.create(0x12, digest)).toString(), bytes: body, digest }
    })
    await blocks.put(stored)
    return stored.map(({ cid, digest }) => ({ cid, contentHash: digest, salt: null, leaf: null, author: entity }))
  },
} as unknown as Bodies
const access = {
  permit: async (_: Principal, action: string) => ({ action }),
  admits: async () => undefined,
  confirm: async () => undefined,
  isCurrent: () => true,
  filter: async () => ({ sql: 'true', params: [] }),
} as unknown as Access
const audit = { records: () => [] } as unknown as AuditTrail
const custody = { create: () => new Uint8Array(64), verifyingKey: () => new Uint8Array(33) }

const baseUrl = 'http://127.0.0.1/fhir'
const principal: Principal = {
  clientId: 'bench',
  entity,
  role: 'system',
  scopes: parseScopes('system/*.cruds'),
  purposes: ['TREAT'],
  tokenId: 'bench',
  expiresAt: Infinity,
}
const server = createServer({
  bodyBytes: 64 * 1024 * 1024,
  corsOrigins: [],
  trustProxy: false,
  logLevel: 'warn',
  https: false,
})
await mountEdge(server, {
  publicUrl: 'http://127.0.0.1',
  interactions: interactionsOf(
    {
      entity,
      baseUrl,
      version: 'bench',
      tokenUrl: baseUrl,
      clock: () => Date.now(),
      access,
      records: new RecordStore(database, index),
      index,
      bodies,
      patients: new Patients(database, { admit: async () => undefined }, custody),
      consents: { of: async () => [] },
      sensitivity: new Sensitivity(ownDefinitions()),
      conformance: new Conformance(ownProfiles(), null),
      audit,
      committed: () => undefined,
      limits: {
        pageSize: 50,
        maxPageSize: 1000,
        maxBundleEntries: 10_000,
        maxIncluded: 1000,
        maxCounted: 1000,
        maxIncludeRounds: 4,
        maxChain: 5,
      },
    },
    {},
  ),
  authenticator: { authenticate: async () => principal },
  xml: fhirXml,
  smartConfiguration: async () => ({}),
  readBlock: async () => undefined,
  checks: [],
  draining: () => false,
  ratePerSecond: 1_000_000,
  rateBurst: 1_000_000,
})
await server.listen({ port: 0, host: '127.0.0.1' })
const address = server.server.address()
console.log(`ready: http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/fhir`)

import { randomBytes } from 'node:crypto'
import { ConsentMirror } from '../../src/consent/mirror.js'
import { ownProfiles } from '../../src/fhir/profiles.js'
import { Sensitivity } from '../../src/fhir/sensitivity.js'
import { Access } from '../../src/gateway/access.js'
import { Bodies } from '../../src/gateway/bodies.js'
import { CapsuleKeys } from '../../src/gateway/capsule-keys.js'
import { Conformance } from '../../src/gateway/conformance.js'
import { ConsentLinks } from '../../src/gateway/consent/links.js'
import { Custody, CustodyPolicies } from '../../src/gateway/custody.js'
import type { GatewayParts } from '../../src/gateway/parts.js'
import { type PatientAdmission, Patients } from '../../src/gateway/patients.js'
import { BlindIndex } from '../../src/records/blind-index.js'
import { DirectSealer } from '../../src/vault/sealing-thread.js'
import type { Hospital } from '../audit/support/hospital.js'

/** The gateway of a hospital whose patients `patient` and `custodial` are `Patient/p0` and `Patient/p1`. */
export async function partsOf(
  h: Hospital,
  clock: () => number,
  admission: PatientAdmission = { admit: async () => undefined },
): Promise<GatewayParts> {
  const master = randomBytes(32)
  const custody = new Custody(master)
  const patients = new Patients(h.database, admission, custody)
  await patients.link(
    [h.patient, h.custodial].map((patient, i) => ({ localId: `p${i}`, patient, wrappedRoot: custody.create(patient) })),
  )
  const policies = new CustodyPolicies(custody, randomBytes(32), (p) => patients.wrappedRoot(p), {
    policyKey: () => Promise.reject(new Error('shared by nobody')),
  })
  const author = { id: Buffer.from(h.entity.slice(2), 'hex'), key: h.author }
  const keys = new CapsuleKeys(h.database, h.entity, master, policies, clock)
  const bodies = new Bodies(h.entity, new DirectSealer(author), keys, h.blocks, async () => [
    h.author.publicKey.toBytes(),
  ])
  const freshness = () => ({ confirmedAt: clock(), limitMs: 60_000 })
  return {
    entity: h.entity,
    baseUrl: 'https://hospital.example/fhir',
    version: 'test',
    tokenUrl: '',
    clock,
    access: new Access(new ConsentMirror(h.database), freshness, clock),
    records: h.records,
    sensitivity: new Sensitivity([]),
    index: new BlindIndex(new Uint8Array(32)),
    bodies,
    patients,
    consents: new ConsentLinks(h.database),
    conformance: new Conformance(ownProfiles(), null),
    audit: h.trail,
    committed: () => undefined,
    limits: {
      pageSize: 10,
      maxPageSize: 10,
      maxBundleEntries: 10,
      maxIncluded: 10,
      maxCounted: 10,
      maxIncludeRounds: 2,
      maxChain: 2,
    },
  }
}

/** Whether the database has followed the chain to its head. */
export async function atHead(h: Hospital): Promise<boolean> {
  const { rows } = await h.database.query<{ hash: Buffer }>('SELECT hash FROM chain_cursor')
  const block = (await h.node.rpc.send('eth_getBlockByNumber', ['latest', false])) as { hash: string }
  return rows[0] !== undefined && `0x${rows[0].hash.toString('hex')}` === block.hash
}

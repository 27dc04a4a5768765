import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AuditTrail, type SealInline } from '../../../src/audit/audit-trail.js'
import type { Occurrence } from '../../../src/audit/occurrence.js'
import type { PatientId } from '../../../src/consent/permit.js'
import { type ChainShare, GatewayChainSink } from '../../../src/gateway/chain-sink.js'
import { ConsentMirror } from '../../../src/consent/mirror.js'
import { TrailSealing } from '../../../src/gateway/trail-sealing.js'
import { ChainFollower } from '../../../src/ledger/follower.js'
import { BlindIndex } from '../../../src/records/blind-index.js'
import type { Database } from '../../../src/records/database.js'
import { RecordStore } from '../../../src/records/record-store.js'
import type { NewAuditRecord } from '../../../src/records/types.js'
import { LocalBlockStore } from '../../../src/vault/blocks/local.js'
import { type CapsuleKey, newCapsuleKey } from '../../../src/vault/keys.js'
import { SecretKey } from '../../../src/vault/pre/index.js'
import { DirectSealer } from '../../../src/vault/sealing-thread.js'
import { type Consortium, consortium } from '../../ledger/support/consortium.js'
import { startAnvilNode, type TestNode } from '../../ledger/support/nodes.js'
import { type Engine, ENGINES } from '../../records/open.js'

/** What the audit parts of one hospital work with: a database, blocks, a chain with its contracts, and a trail. */
export interface Hospital extends Consortium {
  readonly node: TestNode
  readonly database: Database
  readonly blocks: LocalBlockStore
  readonly blockDirectory: string
  readonly records: RecordStore
  readonly trail: AuditTrail
  readonly trailKey: CapsuleKey
  readonly author: SecretKey
  readonly seal: SealInline
  /** Commits audit records of `count` reads. */
  happen(count: number): Promise<NewAuditRecord[]>
  /** Follows the chain into the database until `done` says so. */
  follow(shares: readonly ChainShare[], done: () => Promise<boolean>): Promise<void>
  stop(): Promise<void>
}

export async function hospital(engine: Engine = ENGINES[0] as Engine): Promise<Hospital> {
  const node = await startAnvilNode()
  const ledger = await consortium(node)
  const { database, close } = await engine.open()
  const blockDirectory = await mkdtemp(join(tmpdir(), 'consentry-blocks-'))
  const blocks = await LocalBlockStore.open(blockDirectory)
  const index = new BlindIndex(new Uint8Array(randomBytes(32)))
  const records = new RecordStore(database, index)
  const author = SecretKey.random()
  const trailKey = newCapsuleKey(SecretKey.random().publicKey)
  const sealer = new DirectSealer({ id: Buffer.from(ledger.entity.slice(2), 'hex'), key: author })
  const { seal } = await TrailSealing.open({ forTrail: async () => trailKey }, sealer, Date.now, () => undefined)
  const trail = new AuditTrail(ledger.entity, 'https://hospital.example/fhir', index, seal)
  return {
    ...ledger,
    node,
    database,
    blocks,
    blockDirectory,
    records,
    trail,
    trailKey,
    author,
    seal,
    happen: async (count) => {
      const audit = await trail.records(Array.from({ length: count }, () => aRead(ledger.patient)))
      await records.commit({ audit })
      return audit
    },
    follow: async (shares, done) => {
      const follower = new ChainFollower({
        rpc: node.rpc,
        addresses: ledger.contracts.list,
        decode: (log) => ledger.contracts.decode(log),
        sink: new GatewayChainSink(database, new ConsentMirror(database), shares),
        startBlock: ledger.deployment.block,
        grantTag: 'latest',
        shorterChainMs: 0,
        onProblem: () => undefined,
      })
      follower.start()
      try {
        for (let i = 0; !(await done()); i++) {
          if (i === 1_000) throw new Error('the follower does not arrive')
          await new Promise((resolve) => setTimeout(resolve, 10))
        }
      } finally {
        await follower.stop()
      }
    },
    stop: async () => {
      await ledger.close()
      await blocks.close()
      await close()
      await node.stop()
      await rm(blockDirectory, { recursive: true })
    },
  }
}

export function aRead(patient: PatientId, change: Partial<Occurrence> = {}): Occurrence {
  return {
    interaction: 'read',
    outcome: '0',
    recorded: Date.now(),
    requestId: randomBytes(8).toString('hex'),
    agent: {
      clientId: 'ehr',
      entity: `0x${'ab'.repeat(32)}`,
      role: 'system',
      address: '192.0.2.7',
      purposes: ['TREAT'],
    },
    patients: [{ id: patient, reference: 'Patient/p1' }],
    data: [{ reference: 'Observation/o1', version: 1 }],
    ...change,
  }
}

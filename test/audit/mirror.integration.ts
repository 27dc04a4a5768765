import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AuditTrail } from '../../src/audit/audit-trail.js'
import { LedgerMirror, type MirrorParts } from '../../src/audit/mirror.js'
import { Anchoring } from '../../src/gateway/anchoring.js'
import { parseJson } from '../../src/fhir/json.js'
import { ownProfiles } from '../../src/fhir/profiles.js'
import type { Resource } from '../../src/fhir/types.js'
import { validate } from '../../src/fhir/validate.js'
import { Anchors } from '../../src/records/anchors.js'
import { BlindIndex } from '../../src/records/blind-index.js'
import { rawBlock } from '../../src/vault/envelope.js'
import { ALL_LABELS, randomId } from '../ledger/support/consortium.js'
import { version } from '../records/versions.js'
import { hospital, type Hospital } from './support/hospital.js'

let h: Hospital
/** What was sealed, by reference: the plain form of the trail. */
const told = new Map<string, Resource>()
let trail: AuditTrail
let anchoring: Anchoring

beforeAll(async () => {
  h = await hospital()
  trail = new AuditTrail(h.entity, 'https://hospital.example/fhir', new BlindIndex(new Uint8Array(32)), (items) => {
    for (const { id, body } of items) told.set(id, parseJson(Buffer.from(body)) as unknown as Resource)
    return h.seal(items)
  })
  const anchors = new Anchors(h.database)
  anchoring = new Anchoring(
    h.entity,
    h.author.publicKey.toBytes(),
    anchors,
    h.blocks,
    h.contracts,
    h.operator,
    async (versions) => versions.map(() => []),
    (error) => {
      throw error
    },
  )
})
afterAll(() => h.stop())

const mirrorOf = (change: Partial<MirrorParts> = {}): LedgerMirror =>
  new LedgerMirror({
    entity: h.entity,
    database: h.database,
    records: h.records,
    trail,
    contracts: h.contracts,
    onProblem: (error) => {
      throw error
    },
    ...change,
  })

interface Row {
  readonly reference: string
  readonly patient: string | null
  readonly resource: Resource
}

async function rows(): Promise<Row[]> {
  const { rows: found } = await h.database.query<{ type: string; id: string; patient: Buffer | null }>(
    `SELECT r.type, r.id, r.patient FROM resource r JOIN audit_leaf l ON l.resource_pk = r.pk ORDER BY r.pk`,
  )
  return found.map(({ type, id, patient }) => ({
    reference: `${type}/${id}`,
    patient: patient && `0x${patient.toString('hex')}`,
    resource: told.get(`${type}/${id}`) as Resource,
  }))
}

const codes = ({ resource }: Row): string[] =>
  ((resource['subtype'] ?? []) as { code: string }[]).map(({ code }) => code)
const head = async (): Promise<number> => Number(await h.node.rpc.send('eth_blockNumber'))
const cursor = async (): Promise<number> => {
  const { rows: found } = await h.database.query<{ number: bigint }>('SELECT number FROM chain_cursor')
  return Number(found[0]?.number ?? -1)
}
const followAll = (mirror: LedgerMirror): Promise<void> =>
  h.follow([anchoring, mirror], async () => (await cursor()) === (await head()))
async function drain(mirror: LedgerMirror): Promise<void> {
  while (await mirror.advance());
  await mirror.stop()
}

describe('the mirror of the ledger in the trail', () => {
  it('tells registrations and consents that concern us, each once, valid and with its place on the ledger', async () => {
    const stranger = randomId()
    await h.run(h.operator, h.contracts.write('ConsentRegistry', 'revoke', h.custodial, stranger, [ALL_LABELS], 1))
    await h.run(h.operator, h.contracts.write('ConsentRegistry', 'revokeAll', h.custodial))
    const mirror = mirrorOf()
    await followAll(mirror)
    await drain(mirror)
    const found = await rows()
    expect(found.map(codes).flat().sort()).toEqual(
      ['AllConsentsRevoked', 'ConsentGranted', 'ConsentRevoked', 'PatientRegistered', 'PatientRegistered'].sort(),
    )
    expect(new Set(found.map(({ patient }) => patient))).toEqual(new Set([h.patient, h.custodial]))
    for (const { resource } of found) {
      const { resource: valid, issues } = validate(resource)
      expect(issues).toEqual([])
      expect(valid && ownProfiles().judge(valid)).toEqual([])
      expect(JSON.stringify(resource)).toContain('/StructureDefinition/ledger-evidence')
    }
    const granted = found.find((row) => codes(row).includes('ConsentGranted'))
    expect(JSON.stringify(granted?.resource)).toContain('read create update delete export subscribe')
    await drain(mirrorOf())
    expect(await rows()).toHaveLength(found.length)
  })

  it('leaves out what concerns nobody here', async () => {
    const before = (await rows()).length
    const mirror = mirrorOf({ entity: randomId() })
    await h.database.transaction(async (tx) => {
      await mirror.apply(tx, {
        events: [
          {
            contract: 'ConsentRegistry',
            name: 'AllConsentsRevoked',
            args: { patient: h.custodial, epoch: 9 },
            block: { number: 1, hash: randomId(), timestamp: 1 },
            transactionHash: randomId(),
            transactionIndex: 0,
            logIndex: 0,
          },
        ],
        head: { number: 1, hash: randomId(), timestamp: 1 },
        finalized: 1,
        ancestors: [],
      })
    })
    await drain(mirror)
    expect(await rows()).toHaveLength(before)
  })

  it('tells an anchored batch as Provenance of each patient and kind of change', async () => {
    const block = rawBlock(Buffer.from('sealed'))
    const given = { cid: block.cid, origin: h.entity, author: h.entity }
    const [a, b, c] = [
      version({ ...given, patient: h.patient }),
      version({ ...given, patient: h.patient }),
      version({ ...given, patient: h.custodial }),
    ] as const
    await h.blocks.put([block])
    await h.records.commit({ versions: [a, b, c] })
    anchoring.start()
    const mirror = mirrorOf()
    const isAnchored = async (): Promise<boolean> =>
      (await h.database.query(`SELECT 1 FROM anchor WHERE block_number IS NOT NULL`)).rowCount === 1
    await h.follow([anchoring, mirror], isAnchored)
    await anchoring.stop()
    const before = new Set((await rows()).map(({ reference }) => reference))
    await drain(mirror)
    const found = (await rows()).filter(({ reference }) => !before.has(reference) || reference.startsWith('Provenance'))
    const provenances = found.filter(({ reference }) => reference.startsWith('Provenance'))
    const targets = provenances.map(({ patient, resource }) => [
      patient,
      (resource['target'] as { reference: string }[]).map(({ reference }) => reference).sort(),
    ])
    expect(new Map(targets as [string, string[]][])).toEqual(
      new Map([
        [h.patient, [`Observation/${a.id}/_history/1`, `Observation/${b.id}/_history/1`].sort()],
        [h.custodial, [`Observation/${c.id}/_history/1`]],
      ]),
    )
    for (const { resource } of provenances) {
      const { resource: valid, issues } = validate(resource)
      expect(issues).toEqual([])
      expect(valid && ownProfiles().judge(valid)).toEqual([])
    }
  })

  it('tells each event once wherever the worker dies', async () => {
    let died = 0
    for (let at = 0; ; at++) {
      const before = (await rows()).length
      await h.run(h.operator, h.contracts.write('ConsentRegistry', 'revokeAll', h.custodial))
      // The one that follows must not tell the event itself before the one that dies comes to it.
      const records = { commit: () => Promise.reject(new Error('does not tell')) }
      const following = mirrorOf({ records, onProblem: () => undefined })
      await followAll(following)
      await following.stop()
      await h.database.query('UPDATE outbox SET claimed_until = 0')
      const failed = await mirrorOf({ ...dyingAt(at) })
        .advance()
        .then(
          () => false,
          () => true,
        )
      await h.database.query('UPDATE outbox SET claimed_until = 0')
      await drain(mirrorOf())
      expect(await rows()).toHaveLength(before + 1)
      if (!failed) break
      died++
    }
    expect(died).toBeGreaterThan(5)
  })

  it('says so when a reorganisation takes what it told, and tells it anew when it comes back', async () => {
    const snapshot = await h.node.rpc.send('evm_snapshot')
    await h.run(h.operator, h.contracts.write('ConsentRegistry', 'revokeAll', h.custodial))
    const mirror = mirrorOf()
    await followAll(mirror)
    await drain(mirror)
    const before = await rows()
    const first = before.at(-1) as Row
    expect(codes(first)).toEqual(['AllConsentsRevoked'])
    await h.node.rpc.send('evm_revert', [snapshot])
    await h.node.rpc.send('anvil_mine', ['0x3'])
    const again = mirrorOf()
    await followAll(again)
    await drain(again)
    const after = await rows()
    expect(after).toHaveLength(before.length + 1)
    expect(codes(after.at(-1) as Row)).toEqual(['LedgerEventUndone', 'AllConsentsRevoked'])
    expect(JSON.stringify(after.at(-1)?.resource)).toContain(first.reference)
    expect(validate(after.at(-1)?.resource).issues).toEqual([])
    await h.run(h.operator, h.contracts.write('ConsentRegistry', 'revokeAll', h.custodial))
    const third = mirrorOf()
    await followAll(third)
    await drain(third)
    expect(codes((await rows()).at(-1) as Row)).toEqual(['AllConsentsRevoked'])
    expect(await rows()).toHaveLength(after.length + 1)
  })
})

/** Every call with an effect, before and after it, up to the n-th. */
function dyingAt(at: number): Pick<MirrorParts, 'database' | 'records'> {
  let calls = 0
  const guarded = <T extends object>(target: T, method: string): T =>
    new Proxy(target, {
      get(of, name) {
        const value: unknown = Reflect.get(of, name, of)
        if (typeof value !== 'function') return value
        if (name !== method) return value.bind(of) as unknown
        return async (...args: unknown[]): Promise<unknown> => {
          if (calls++ >= at) throw new Error('gone')
          const result: unknown = await (value as (...a: unknown[]) => Promise<unknown>).apply(of, args)
          if (calls++ >= at) throw new Error('gone')
          return result
        }
      },
    })
  return { database: guarded(h.database, 'query'), records: guarded(h.records, 'commit') }
}

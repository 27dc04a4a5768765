import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Principal } from '../../src/auth/principal.js'
import type { Freshness } from '../../src/consent/decide.js'
import { AUDIT, GENERAL, NOTICE } from '../../src/consent/labels.js'
import type { PatientId, RecordSubject } from '../../src/consent/permit.js'
import { Access } from '../../src/gateway/access.js'
import { ChainConsent } from '../../src/gateway/chain-consent.js'
import { EmergencyAccess } from '../../src/gateway/consent/emergency-access.js'
import { LedgerReader } from '../../src/ledger/reads.js'
import { Rpc } from '../../src/ledger/rpc.js'
import type { Database } from '../../src/records/database.js'
import { MirroredLedger } from '../consent/mirrored-ledger.js'
import { consortium, randomId, type Consortium } from '../ledger/support/consortium.js'
import { startAnvilNode, type TestNode } from '../ledger/support/nodes.js'
import { ENGINES } from '../records/open.js'

/** A mirror that hears of nothing any more, and the contract behind it. */
describe('emergency access with a mirror that is too old', () => {
  let node: TestNode
  let cast: Consortium
  let database: Database
  let closeDatabase: () => Promise<void>
  let ledger: MirroredLedger
  let access: Access
  let patient: PatientId
  let subject: RecordSubject
  let emergency: Principal
  let opened: PatientId[] = []
  /** Milliseconds that our clock is ahead. */
  let ahead = 0
  const clock = () => Date.now() + ahead
  const STALE = () => ({ confirmedAt: null, limitMs: 1_000 })
  const FRESH = () => ({ confirmedAt: clock(), limitMs: 60_000 })
  const denied = expect.objectContaining({ kind: 'forbidden' })
  const unknown = expect.objectContaining({ kind: 'unavailable' })

  beforeAll(async () => {
    node = await startAnvilNode()
    cast = await consortium(node)
    ;({ database, close: closeDatabase } = await (ENGINES[0] as (typeof ENGINES)[number]).open())
    ledger = new MirroredLedger(node, cast, database)
    await ledger.settled()
    // From here on the mirror stands still.
    await ledger.follower.stop()
    access = accessOf(STALE)
  })
  afterAll(async () => {
    await closeDatabase()
    await cast.close()
    await node.stop()
  })
  beforeEach(async () => {
    ahead = 0
    const [id] = [randomId()]
    await cast.run(cast.operator, cast.contracts.write('ConsentRegistry', 'admit', cast.entity, [id], [id], TERMS))
    patient = id
    subject = { patient, origin: cast.entity, labels: GENERAL | 16n, categories: 3n }
    emergency = {
      clientId: 'c',
      entity: cast.entity,
      role: 'system',
      scopes: [],
      purposes: ['BTG'],
    } as unknown as Principal // what decisions look at
  })
  const TERMS = {
    actions: 1,
    purposes: 1,
    categories: 1n,
    from: 0,
    to: 2 ** 40 - 1,
    policyHash: `0x${'0'.repeat(64)}` as const,
  }

  function accessOf(freshness: () => Freshness, reader = cast.reader, seen = 0): Access {
    const asked = new EmergencyAccess(
      reader,
      async () => seen,
      async () => opened,
    )
    return new Access(ledger.mirror, freshness, clock, null, async () => null, asked)
  }
  const write = (name: 'breakGlass' | 'setEmergencyVeto' | 'revoke' | 'revokeAll', ...rest: unknown[]) => {
    const call = (cast.contracts.write as (...inputs: unknown[]) => Parameters<typeof cast.run>[1]).bind(cast.contracts)
    return cast.run(cast.operator, call('ConsentRegistry', name, patient, ...rest))
  }
  const breakGlass = () => write('breakGlass', cast.entity, randomId())

  it('is what the contract says at the latest block: before, while it is open, and when it is shut', async () => {
    await expect(access.permit(emergency, 'read', [subject])).rejects.toEqual(unknown)
    await breakGlass()
    await expect(access.permit(emergency, 'read', [subject])).resolves.toBeDefined()
    await write('setEmergencyVeto', true)
    await expect(access.permit(emergency, 'read', [subject])).rejects.toEqual(unknown)
    await write('setEmergencyVeto', false)
    await expect(access.permit(emergency, 'read', [subject])).resolves.toBeDefined()
    await write('revokeAll')
    await expect(access.permit(emergency, 'read', [subject])).rejects.toEqual(unknown)
  })

  it('is for reading and for that purpose alone, of that patient, and of neither trail nor what others wrote of nobody', async () => {
    await breakGlass()
    const treating = { ...emergency, purposes: ['TREAT', 'BTG'] }
    await expect(access.permit(treating, 'read', [subject])).rejects.toEqual(unknown)
    for (const action of ['create', 'update', 'delete', 'export'] as const) {
      await expect(access.permit(emergency, action, [subject])).rejects.toEqual(unknown)
    }
    const others = [
      { ...subject, patient: cast.custodial },
      { ...subject, labels: AUDIT },
      { ...subject, labels: NOTICE, origin: randomId() },
      { ...subject, patient: null, origin: randomId() },
    ]
    for (const other of others) {
      await expect(access.permit(emergency, 'read', [subject, other])).rejects.toBeDefined()
      const permits = await access.permits(emergency, 'read', [subject, other])
      expect(permits.map((permit) => permit !== null)).toEqual([true, false])
    }
    const stranger = { ...emergency, entity: randomId() }
    await expect(access.permit(stranger, 'read', [subject])).rejects.toEqual(unknown)
  })

  it('is asked anew before anything goes out, since the mirror tells nothing of it', async () => {
    await breakGlass()
    const permit = await access.permit(emergency, 'read', [subject])
    await expect(access.confirm(emergency, [{ permit, subjects: [subject] }])).resolves.toBeUndefined()
    await write('setEmergencyVeto', true)
    await expect(access.confirm(emergency, [{ permit, subjects: [subject] }])).rejects.toEqual(unknown)
  })

  it('is no longer than its period by our clock, whatever the node holds for the time', async () => {
    await breakGlass()
    ahead = 4 * 3_600_000 - 60_000
    await expect(access.permit(emergency, 'read', [subject])).resolves.toBeDefined()
    ahead = 4 * 3_600_000 + 60_000
    await expect(access.permit(emergency, 'read', [subject])).rejects.toBeDefined()
  })

  it('is not known from a node that is silent, or behind what has been seen', async () => {
    await breakGlass()
    const gone = new Rpc('http://127.0.0.1:1', { timeoutMs: 500 })
    const silent = accessOf(STALE, new LedgerReader(gone, cast.contracts))
    await expect(silent.permit(emergency, 'read', [subject])).rejects.toEqual(unknown)
    await expect(silent.filter(emergency, 'read')).rejects.toEqual(unknown)
    await gone.close()
    const behind = accessOf(STALE, cast.reader, 1_000_000)
    await expect(behind.permit(emergency, 'read', [subject])).rejects.toEqual(unknown)
  })

  it('finds by search what was opened here, and nothing of anybody else', async () => {
    opened = [patient, cast.custodial]
    await expect(access.filter(emergency, 'read')).rejects.toEqual(unknown)
    await breakGlass()
    const { sql, params } = await access.filter(emergency, 'read')
    const rows: [string, string | null, bigint, boolean?][] = [
      ['own', patient, GENERAL | 16n],
      ['trail', patient, AUDIT],
      ['notice', patient, NOTICE],
      ['other', cast.custodial, GENERAL],
      ['nobody', null, GENERAL],
      // It names another patient as well, whose emergency nobody has opened.
      ['of two', patient, GENERAL, true],
    ]
    const n = params.length
    const found = await database.query<{ name: string }>(
      `SELECT r.name FROM unnest($${n + 1}::text[], $${n + 2}::bytea[], $${n + 3}::bytea[], $${n + 4}::bigint[], $${n + 5}::bigint[], $${n + 6}::bool[])
         AS s(name, patient, origin, labels, categories, two)
         CROSS JOIN LATERAL (SELECT s.*, CASE WHEN s.two THEN ARRAY[$${n + 7}::bytea] END AS others) r WHERE ${sql}`,
      [
        ...params,
        rows.map(([name]) => name),
        rows.map(([, id]) => (id === null ? null : Buffer.from(id.slice(2), 'hex'))),
        rows.map(() => Buffer.from(cast.entity.slice(2), 'hex')),
        rows.map(([, , labels]) => labels),
        rows.map(() => 1n),
        rows.map(([, , , two]) => two === true),
        Buffer.from(cast.custodial.slice(2), 'hex'),
      ],
    )
    expect(found.rows).toEqual([{ name: 'own' }])
    opened = []
    await expect(access.filter(emergency, 'read')).rejects.toEqual(unknown)
  })

  it('does not wait for finality either: a fresh mirror that has not heard of it asks as well', async () => {
    const fresh = accessOf(FRESH)
    await expect(fresh.permit(emergency, 'read', [subject])).rejects.toEqual(denied)
    await breakGlass()
    await expect(fresh.permit(emergency, 'read', [subject])).resolves.toBeDefined()
    await expect(fresh.permit({ ...emergency, purposes: ['TREAT'] }, 'read', [subject])).rejects.toEqual(denied)
  })

  it('is the same in mode chain, where everything else waits for the mirror', async () => {
    await breakGlass()
    const reached = async () => {
      await sleep(1)
      throw Object.assign(new (await import('../../src/errors.js')).ConsentryError('unavailable', 'late'), {})
    }
    const strict = new ChainConsent(cast.reader, { reached })
    const asked = new EmergencyAccess(
      cast.reader,
      async () => 0,
      async () => [],
    )
    const both = new Access(ledger.mirror, STALE, clock, strict, async () => null, asked)
    await expect(both.permit(emergency, 'read', [subject])).resolves.toBeDefined()
    await expect(both.permit({ ...emergency, purposes: ['TREAT'] }, 'read', [subject])).rejects.toEqual(unknown)
  })
})

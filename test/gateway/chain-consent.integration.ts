import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Principal } from '../../src/auth/principal.js'
import { GENERAL, labelId } from '../../src/consent/labels.js'
import type { RecordSubject } from '../../src/consent/permit.js'
import { Access } from '../../src/gateway/access.js'
import { ChainConsent } from '../../src/gateway/chain-consent.js'
import { Opened } from '../../src/gateway/opened.js'
import type { Hex } from '../../src/ledger/hex.js'
import { LedgerReader } from '../../src/ledger/reads.js'
import { Rpc } from '../../src/ledger/rpc.js'
import { MirroredLedger } from '../consent/mirrored-ledger.js'
import { ALL_CATEGORIES, consortium, OPEN_END, randomId, ZERO, type Consortium } from '../ledger/support/consortium.js'
import { startAnvilNode, type TestNode } from '../ledger/support/nodes.js'
import type { Database } from '../../src/records/database.js'
import { ENGINES } from '../records/open.js'

/** A mirror that hears of nothing unless it is asked to, and the contract behind it. */
describe('a decision in mode chain', () => {
  let node: TestNode
  let cast: Consortium
  let database: Database
  let closeDatabase: () => Promise<void>
  let ledger: MirroredLedger
  let byMirror: Access
  let byChain: Access
  let subject: RecordSubject
  let principal: Principal
  const freshness = () => ({ confirmedAt: Date.now(), limitMs: 60_000 })

  beforeAll(async () => {
    node = await startAnvilNode()
    cast = await consortium(node)
    ;({ database, close: closeDatabase } = await (ENGINES[0] as (typeof ENGINES)[number]).open())
    ledger = new MirroredLedger(node, cast, database)
    await ledger.settled()
    byMirror = new Access(ledger.mirror, freshness, Date.now)
    byChain = new Access(ledger.mirror, freshness, Date.now, new ChainConsent(cast.reader, ledger.follower))
    principal = {
      clientId: 'c',
      entity: cast.entity,
      role: 'system',
      scopes: [],
      purposes: ['TREAT'],
    } as unknown as Principal // what decisions look at
  })
  afterAll(async () => {
    await ledger.follower.stop()
    await closeDatabase()
    await cast.close()
    await node.stop()
  })
  beforeEach(() => {
    subject = { patient: cast.custodial, origin: cast.entity, labels: GENERAL, categories: 1n }
  })

  const revoke = () =>
    cast.run(cast.operator, cast.contracts.write('ConsentRegistry', 'revoke', cast.custodial, cast.entity, [ZERO], 1))
  const grant = async () => {
    await cast.run(
      cast.operator,
      cast.contracts.write('ConsentRegistry', 'grant', {
        patient: cast.custodial,
        grantee: cast.entity,
        labels: [ZERO],
        actions: 1,
        purposes: 1,
        categories: ALL_CATEGORIES,
        from: 0,
        to: OPEN_END,
        packageHash: ZERO,
        policyHash: ZERO,
        nonce: 0n,
        deadline: 0,
      }),
    )
    await ledger.settled()
  }
  const denied = expect.objectContaining({ kind: 'forbidden' })

  it('knows of a revocation that the mirror has not heard of, before, during and after the opening', async () => {
    await expect(byChain.permit(principal, 'read', [subject])).resolves.toBeDefined()
    const permit = await byChain.permit(principal, 'read', [subject])
    const filter = await byChain.filter(principal, 'read')
    await revoke()
    // The mirror alone lets it pass until it hears: that is what the mode is for.
    await expect(byMirror.permit(principal, 'read', [subject])).resolves.toBeDefined()
    await expect(byChain.confirm(principal, [{ permit, subjects: [subject] }])).rejects.toEqual(denied)
    await expect(byChain.permit(principal, 'read', [subject])).rejects.toEqual(denied)

    // What was counted under the filter is counted again, though nothing was opened.
    await grant()
    const counting = await byChain.filter(principal, 'read')
    const opened = new Opened()
    let asked = 0
    opened.count(counting, 1, async () => {
      asked++
      return 0
    })
    await revoke()
    await expect(opened.confirm(byChain, principal)).rejects.toMatchObject({ kind: 'unavailable' })
    expect(asked).toBe(1)
    expect(filter).not.toBe(counting)
    await grant()
  })

  it('does not believe rows that somebody has changed', async () => {
    const other = { ...subject, patient: cast.patient, labels: 2n }
    await expect(byMirror.permit(principal, 'read', [other])).rejects.toEqual(denied)
    await database.query(
      `INSERT INTO "grant" (patient, grantee, label_mask, action, valid_from, valid_to, purposes, categories, epoch, flags)
       SELECT $1, grantee, -1, action, valid_from, valid_to, purposes, categories, epoch, flags FROM "grant"
       WHERE patient = $2 AND action = 0 LIMIT 1`,
      [bytes(cast.patient), bytes(cast.custodial)],
    )
    await expect(byMirror.permit(principal, 'read', [other])).resolves.toBeDefined()
    await expect(byChain.permit(principal, 'read', [other])).rejects.toEqual(denied)
    await expect(byChain.permit(principal, 'read', [subject, other])).rejects.toEqual(denied)
    const permits = await byChain.permits(principal, 'read', [subject, other])
    expect(permits.map((permit) => permit !== null)).toEqual([true, false])
  })

  it('needs every label of a record, and takes those of a patient’s one grant of it', async () => {
    await cast.run(
      cast.operator,
      cast.contracts.write('ConsentRegistry', 'revoke', cast.custodial, cast.entity, [ZERO], 1),
    )
    const terms = { patient: cast.custodial, grantee: cast.entity, actions: 1, purposes: 1, categories: 1n }
    const rest = { from: 0, to: OPEN_END, packageHash: ZERO, policyHash: ZERO, nonce: 0n, deadline: 0 }
    const labels = [labelId('general'), labelId('HIV')]
    await cast.run(cast.operator, cast.contracts.write('ConsentRegistry', 'grant', { ...terms, ...rest, labels }))
    await ledger.settled()
    const hiv = 1n << 4n
    const asked = [
      [GENERAL, 1n, true],
      [GENERAL | hiv, 1n, true],
      [GENERAL | hiv | 2n, 1n, false],
      [GENERAL, 3n, false],
    ] as const
    for (const [bits, categories, permitted] of asked) {
      const one = { ...subject, labels: bits, categories }
      const permits = await byChain.permits(principal, 'read', [one])
      expect([bits, categories, permits[0] !== null]).toEqual([bits, categories, permitted])
    }
    await grant()
  })

  it('asks the node once for a page, whatever the number of its records', async () => {
    let calls = 0
    const counting = {
      rpc: cast.reader.rpc,
      check: (questions: Parameters<LedgerReader['check']>[0]) => {
        calls++
        return cast.reader.check(questions)
      },
    }
    const access = new Access(ledger.mirror, freshness, Date.now, new ChainConsent(counting, ledger.follower))
    await access.permit(
      principal,
      'read',
      Array.from({ length: 200 }, (_, i) => ({ ...subject, categories: BigInt(i + 1) })),
    )
    expect(calls).toBe(1)
  })

  it('is not made when the node is silent; the auditor’s, which is not the ledger’s, is', async () => {
    const gone = new Rpc('http://127.0.0.1:1', { timeoutMs: 500 })
    const silent = new ChainConsent(new LedgerReader(gone, cast.contracts), ledger.follower)
    const access = new Access(ledger.mirror, freshness, Date.now, silent)
    for (const decision of [
      access.permit(principal, 'read', [subject]),
      access.permits(principal, 'read', [subject]),
      access.filter(principal, 'read'),
      access.confirm(principal, []),
    ]) {
      await expect(decision).rejects.toMatchObject({ kind: 'unavailable' })
    }
    await expect(access.filter({ ...principal, role: 'auditor' }, 'read')).resolves.toBeDefined()
    await gone.close()
  })

  it('says nothing of a patient whom nobody knows', async () => {
    await expect(byChain.permit(principal, 'read', [{ ...subject, patient: randomId() }])).rejects.toEqual(denied)
  })
})

function bytes(value: Hex): Buffer {
  return Buffer.from(value.slice(2), 'hex')
}

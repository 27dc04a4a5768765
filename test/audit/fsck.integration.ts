import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { readHistory } from '../../src/audit/fsck/chain-history.js'
import type { Finding, Material } from '../../src/audit/fsck/check.js'
import { fsck } from '../../src/audit/fsck/fsck.js'
import { VerifiableLog } from '../../src/audit/log.js'
import { LedgerMirror } from '../../src/audit/mirror.js'
import { decide } from '../../src/consent/decide.js'
import { decodeManifest } from '../../src/exchange/manifest.js'
import { Anchoring } from '../../src/gateway/anchoring.js'
import { Anchors } from '../../src/records/anchors.js'
import { newCapsuleKey } from '../../src/vault/keys.js'
import { open } from '../../src/vault/open.js'
import { SecretKey } from '../../src/vault/pre/index.js'
import { seal } from '../../src/vault/seal.js'
import { version } from '../records/versions.js'
import { hospital, type Hospital } from './support/hospital.js'

const TABLES = [
  'audit_leaf',
  'audit_head',
  'resource',
  'resource_version',
  'capsule_key',
  'anchor',
  'anchored',
  'unanchored',
  '"grant"',
  'ledger_event',
  'party',
]
const unexpected = (error: unknown): never => {
  throw error
}

let h: Hospital
/** Versions that are anchored. */
const written: { id: string; cid: string }[] = []

beforeAll(async () => {
  h = await hospital()
  const log = new VerifiableLog(
    { ...h, sender: h.operator, onProblem: unexpected },
    { publishAfterMs: 0, publishAtLeaves: 1, lookEveryMs: 60_000 },
  )
  const mirror = new LedgerMirror({ ...h, onProblem: unexpected })
  const anchoring = new Anchoring(
    h.entity,
    h.author.publicKey.toBytes(),
    new Anchors(h.database),
    h.blocks,
    h.contracts,
    h.operator,
    async (versions) => versions.map(() => []),
    unexpected,
  )
  const author = { id: Buffer.from(h.entity.slice(2), 'hex'), key: h.author }
  const keys = [newCapsuleKey(SecretKey.random().publicKey)]
  const versions = Array.from({ length: 3 }, () => version({ origin: h.entity, author: h.entity, patient: h.patient }))
  const sealed = seal(
    versions.map(({ type, id }) => ({ id: `${type}/${id}`, version: 1, body: Buffer.from('{}'), keys })),
    author,
  )
  await h.blocks.put(sealed.flatMap(({ blocks }) => blocks))
  const bytea = (value: string) => Buffer.from(value.slice(2), 'hex')
  await h.database.query(
    `INSERT INTO capsule_key (id, capsule, patient, label_mask, author, epoch, wrapped_key, imported, created_at)
     VALUES (sha256($1), $1, $2, 1, $3, 0, '', false, 0)`,
    [Buffer.from(keys[0]?.capsule as Uint8Array), bytea(h.patient), bytea(h.entity)],
  )
  await h.records.commit({
    versions: versions.map((each, i) => {
      const { cid, contentHash, salt, leaf } = sealed[i] as (typeof sealed)[number]
      written.push({ id: each.id, cid })
      return { ...each, cid, contentHash, salt, leaf }
    }),
  })
  await h.happen(20)
  await log.advance()
  await h.happen(20)
  anchoring.start()
  const shares = [anchoring, log, mirror]
  const rows = async (where: string): Promise<number> => (await h.database.query(`SELECT 1 FROM ${where}`)).rowCount
  await h.follow(shares, async () => (await rows('anchor WHERE block_number IS NOT NULL')) === 1)
  await anchoring.stop()
  while (await mirror.advance());
  await log.advance()
  await h.follow(shares, async () => (await log.heads.newest())?.size === log.tree.size)
  await mirror.stop()
  await log.stop()
  for (const table of TABLES) await h.database.query(`CREATE TABLE kept_${bare(table)} AS TABLE ${table}`)
})
afterAll(() => h.stop())
afterEach(async () => {
  for (const table of TABLES) {
    await h.database.query(`DELETE FROM ${table}`)
    await h.database.query(`INSERT INTO ${table} SELECT * FROM kept_${bare(table)}`)
  }
})

const bare = (table: string): string => table.replaceAll('"', '')

async function material(): Promise<Material> {
  const authorKeys = [h.author.publicKey.toBytes()]
  return {
    entity: h.entity,
    clock: Date.now,
    database: h.database,
    blocks: h.blocks,
    reader: h.reader,
    history: await readHistory(h.node.rpc, h.contracts, h.database, h.deployment.block),
    authorKeys: async (author) => (author === h.entity ? authorKeys : []),
    openTrail: async (row) => {
      const now = Date.now()
      const decision = decide(
        { action: 'read', purpose: 'HOPERAT', parties: [h.entity], auditor: true, subjects: [row] },
        { now, freshness: { confirmedAt: now, limitMs: 1 }, words: [], activeParties: new Set() },
      )
      if (!('permit' in decision)) throw new Error('no permit')
      const record = { id: `${row.type}/${row.id}`, version: 1 }
      const sealed = { subject: row, record, cid: null, envelope: row.body as Uint8Array }
      const keys = {
        capsuleKey: () => expect.unreachable('the trail has no envelopes'),
        rowKey: () => h.trailKey.key,
        authorKeys: () => authorKeys,
      }
      return open(decision.permit, sealed, keys).body
    },
    decodeManifest,
    // What receipts show is tested in fsck-receipts.
    readReceipt: () => expect.unreachable('nothing was imported'),
    askReceipts: async () => expect.unreachable('no proxy was announced'),
  }
}

async function findings(): Promise<Finding[]> {
  const found: Finding[] = []
  for await (const report of fsck(await material())) {
    expect(report.failure).toBeUndefined()
    found.push(...report.findings)
  }
  return found
}

const sql = async (...statements: string[]): Promise<void> => {
  for (const statement of statements) expect((await h.database.query(statement)).rowCount).toBeGreaterThan(0)
}
const told = (found: readonly Finding[]): string[] =>
  found.map(({ check, where, what }) => `${check} | ${where} | ${what}`)
const leafName = async (index: number): Promise<string> => {
  const { rows } = await h.database.query<{ name: string }>(
    `SELECT r.type || '/' || r.id AS name FROM audit_leaf l JOIN resource r ON r.pk = l.resource_pk WHERE leaf_index = $1`,
    [index],
  )
  return (rows[0] as { name: string }).name
}
const leafPk = (index: number): string => `(SELECT resource_pk FROM kept_audit_leaf WHERE leaf_index = ${index})`
const fileWith = (block: Uint8Array): string =>
  readdirSync(h.blockDirectory)
    .map((name) => join(h.blockDirectory, name))
    .find((file) => readFileSync(file).includes(Buffer.from(block))) as string
const flip = (column: string): string => `${column} = set_byte(${column}, 20, get_byte(${column}, 20) # 1)`

describe('fsck', () => {
  it('finds nothing where nothing is wrong', async () => {
    expect(told(await findings())).toEqual([])
  })

  describe('names an audit record', () => {
    it('whose body was changed', async () => {
      const name = await leafName(7)
      await sql(`UPDATE resource_version SET ${flip('body')} WHERE resource_pk = ${leafPk(7)}`)
      const found = told(await findings())
      expect(found).toHaveLength(1)
      expect(found[0]).toContain(`trail | leaf 7 (${name})`)
    })

    it('whose body is that of another record', async () => {
      const name = await leafName(3)
      const other = `(SELECT body FROM kept_resource_version WHERE resource_pk = ${leafPk(4)})`
      await sql(`UPDATE resource_version SET body = ${other} WHERE resource_pk = ${leafPk(3)}`)
      expect(told(await findings())[0]).toContain(`trail | leaf 3 (${name})`)
    })

    it('whose leaf was changed', async () => {
      const name = await leafName(5)
      await sql(`UPDATE audit_leaf SET ${flip('hash')} WHERE leaf_index = 5`)
      const found = told(await findings()).join('\n')
      expect(found).toContain(`segments | leaf 5 (${name}) | The leaf hash was changed`)
      expect(found).toContain(`trail | leaf 5 (${name})`)
      expect(found).toMatch(/log \| head of \d+ leaves \| Leaves 0 to \d+ are not those whose root is on chain/)
    })

    it('whose leaf was removed', async () => {
      const name = await leafName(9)
      await sql('DELETE FROM audit_leaf WHERE leaf_index = 9')
      const found = told(await findings())
      expect(found).toEqual([
        'log | leaf 9 | The leaf was removed from the rows.',
        `trail | ${name} | The record has no leaf in the log: it was removed or never entered.`,
      ])
    })

    it('that was removed, with its leaf or without', async () => {
      await sql(`DELETE FROM resource_version WHERE resource_pk = ${leafPk(2)}`)
      await sql(`DELETE FROM resource WHERE pk = ${leafPk(2)}`)
      expect(told(await findings())).toEqual([
        'trail | leaf 2 (its record is gone) | The record was removed, its leaf is there.',
      ])
      await sql('DELETE FROM audit_leaf WHERE leaf_index = 2')
      expect(told(await findings())).toEqual(['log | leaf 2 | The leaf was removed from the rows.'])
    })

    it('that changed places with another', async () => {
      const [first, second] = [await leafName(1), await leafName(30)]
      await sql(
        'UPDATE audit_leaf SET leaf_index = -1 WHERE leaf_index = 1',
        'UPDATE audit_leaf SET leaf_index = 1 WHERE leaf_index = 30',
        'UPDATE audit_leaf SET leaf_index = 30 WHERE leaf_index = -1',
      )
      const found = told(await findings()).join('\n')
      expect(found).toContain(
        `segments | leaf 1 (${second}) | The leaf was moved: in the segment of the log it is leaf 30.`,
      )
      expect(found).toContain(
        `segments | leaf 30 (${first}) | The leaf was moved: in the segment of the log it is leaf 1.`,
      )
      expect(found).toContain('log | head of')
    })

    it('that was cut off at the end', async () => {
      await sql('DELETE FROM audit_leaf WHERE leaf_index >= 25')
      expect(told(await findings()).join('\n')).toContain('the rows have 25: the last ones were removed')
    })

    it('that told an event of the ledger and is gone without a trace', async () => {
      const { rows } = await h.database.query<{ leaf_index: bigint }>(
        `SELECT leaf_index FROM audit_leaf ORDER BY leaf_index DESC NULLS LAST LIMIT 1`,
      )
      const index = Number(rows[0]?.leaf_index)
      await h.database.query(`DELETE FROM audit_leaf WHERE leaf_index >= 40`)
      await h.database.query(
        `DELETE FROM resource WHERE pk NOT IN (SELECT resource_pk FROM audit_leaf) AND type = 'AuditEvent'`,
      )
      expect(index).toBeGreaterThan(40)
      expect(told(await findings()).join('\n')).toMatch(/ledger-trail \| AuditEvent\/\S+ \(PatientRegistered, block/)
    })
  })

  describe('names a record', () => {
    const [name, cid] = [(): string => `Observation/${written[1]?.id}`, (): string => written[1]?.cid as string]

    it('whose block has one changed byte in the local store', async () => {
      const block = (await h.blocks.get([cid()])).get(cid()) as Uint8Array
      const file = fileWith(block)
      const kept = readFileSync(file)
      const at = kept.indexOf(Buffer.from(block))
      expect(at).toBeGreaterThan(0)
      const spoiled = Buffer.from(kept)
      spoiled[at + 100] = (spoiled[at + 100] as number) ^ 1
      writeFileSync(file, spoiled)
      const found = told(await findings())
      writeFileSync(file, kept)
      expect(found).toHaveLength(1)
      expect(found[0]).toContain(`records | ${name()}/_history/1 | `)
      expect(found[0]).toContain(cid())
    })

    it('whose row names the block of another', async () => {
      await sql(`UPDATE resource_version SET cid = '${written[0]?.cid}' WHERE cid = '${cid()}'`)
      const found = told(await findings()).join('\n')
      expect(found).toContain(`records | ${name()}/_history/1 | The envelope is of another record or version.`)
      expect(found).toContain('The manifest lists other blocks or leaves than the rows.')
    })

    it('that fell out of its batch', async () => {
      const key = `(SELECT resource_pk FROM resource_version WHERE cid = '${cid()}')`
      const queued = `INSERT INTO unanchored (pks, versions, size) VALUES (ARRAY[${key}], '{1}', 1)`
      await sql(queued)
      expect(told(await findings()).join('\n')).toContain(
        `${name()}/_history/1 | The version is in a batch and waits for another.`,
      )
      await sql('DELETE FROM unanchored', `DELETE FROM anchored WHERE resource_pk = ${key}`)
      const found = told(await findings()).join('\n')
      expect(found).toContain(`${name()}/_history/1 | The version was acknowledged, is in no batch and waits for none.`)
      expect(found).toContain('3 versions were anchored, 2 are in the rows.')
    })

    it('that waits twice, or waits and is not there', async () => {
      const key = `(SELECT resource_pk FROM resource_version WHERE cid = '${cid()}')`
      await sql(
        `DELETE FROM anchored WHERE resource_pk = ${key}`,
        `INSERT INTO unanchored (pks, versions, size) VALUES (ARRAY[${key}, ${key}], '{1,1}', 2), (ARRAY[${key}], '{7}', 3)`,
      )
      const found = told(await findings())
      expect(found).toContain(`records | ${name()}/_history/1 | The version waits 2 times for a batch.`)
      expect(found).toContain(`records | ${name()}/_history/7 | The version waits for a batch and is not in the rows.`)
    })

    it('that was given to another patient, or whose labels were changed', async () => {
      const both = (change: string): string[] => [
        `UPDATE resource_version SET ${change} WHERE cid = '${cid()}'`,
        `UPDATE resource SET ${change} WHERE id = '${written[1]?.id}'`,
      ]
      const at = `records | ${name()}/_history/1 | `
      await sql(...both('patient = sha256(patient)'))
      expect(told(await findings()).join('\n')).toContain(`${at}The row says another patient than the one`)
      await sql(...both('patient = NULL'))
      expect(told(await findings()).join('\n')).toContain(`${at}The row says another patient than the one`)
      await sql(...both(`patient = '\\x${h.patient.slice(2)}'`), ...both('labels = 3'))
      expect(told(await findings()).join('\n')).toContain(`${at}The row says other labels than those`)
    })

    it.each(['patient = NULL', 'labels = 2', 'categories = 4', 'deleted = true', 'last_updated = 1'])(
      'that says otherwise than its version: %s',
      async (change) => {
        await sql(`UPDATE resource SET ${change} WHERE id = '${written[1]?.id}'`)
        expect(told(await findings())).toEqual([
          `records | ${name()} | The row and its version 1 differ in ${change.split(' ')[0]}: one was changed.`,
        ])
      },
    )

    it('whose key was removed', async () => {
      await sql('DELETE FROM capsule_key WHERE label_mask = 1')
      expect(told(await findings()).join('\n')).toContain(
        `records | ${name()}/_history/1 | The key of a capsule was removed`,
      )
    })

    it('of which a version is missing', async () => {
      await sql(`DELETE FROM resource_version WHERE cid = '${cid()}'`)
      expect(told(await findings()).join('\n')).toContain(
        `records | ${name()} | The row is at version 1, and 0 versions`,
      )
    })
  })

  describe('holds the mirrors to the chain:', () => {
    it('a batch that the chain does not know', async () => {
      await sql(`UPDATE anchor SET ${flip('root')}`)
      const found = told(await findings()).join('\n')
      expect(found).toContain('The batch is on chain and not in the rows.')
      expect(found).toContain('The row says that the batch is on chain, and it is not.')
    })

    it('a manifest that is gone', async () => {
      const { rows } = await h.database.query<{ manifest: Buffer }>('SELECT manifest FROM anchor')
      const { rawBlock, rawCid } = await import('../../src/vault/envelope.js')
      const manifest = rawCid(rows[0]?.manifest as Buffer)
      const block = (await h.blocks.get([manifest])).get(manifest) as Uint8Array
      await h.blocks.delete([manifest])
      expect(told(await findings()).join('\n')).toContain(`The manifest ${manifest} is missing.`)
      await h.blocks.put([rawBlock(block)])
    })

    it('a grant that was widened, added or removed', async () => {
      await sql('UPDATE "grant" SET purposes = purposes | 128 WHERE action = 0')
      expect(told(await findings()).join('\n')).toMatch(/consent \| grant 0x.* \| The mirror differs from the chain/)
      await sql('UPDATE "grant" SET grantee = set_byte(grantee, 0, get_byte(grantee, 0) # 1) WHERE action = 1')
      const found = told(await findings()).join('\n')
      expect(found).toContain('The mirror has this grant, the chain has not.')
      expect(found).toContain('The chain has this grant, the mirror has not.')
    })

    it('a policy document beside a grant that the chain has not', async () => {
      await sql(`UPDATE "grant" SET policies = ARRAY['\\xaa'::bytea] WHERE action = 0`)
      expect(told(await findings()).join('\n')).toMatch(/consent \| grant 0x.* \| The mirror differs from the chain/)
    })

    it('an event that was changed, removed or made up', async () => {
      await sql(`UPDATE ledger_event SET args = args || '{"actions": 1}' WHERE name = 'ConsentGranted'`)
      expect(told(await findings())).toHaveLength(1)
      await sql(`UPDATE ledger_event SET log_index = log_index + 100 WHERE name = 'ConsentGranted'`)
      const found = told(await findings()).join('\n')
      expect(found).toContain('The event is on chain and not in the rows.')
      expect(found).toContain('The row tells an event that is not on chain.')
    })

    it('a party that was promoted', async () => {
      await sql(`UPDATE party SET body = body || '{"status": "revoked"}' WHERE kind = 'entity'`)
      expect(told(await findings()).join('\n')).toMatch(/consent \| party 0x.* \| The mirror differs/)
    })

    it('a head that was never published', async () => {
      await sql(`UPDATE audit_head SET ${flip('root')} WHERE size = (SELECT min(size) FROM audit_head)`)
      expect(told(await findings())[0]).toContain('The row of the head differs from the event on chain.')
    })
  })
})

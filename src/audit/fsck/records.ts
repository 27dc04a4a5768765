import { anchorLeaf } from '../../vault/anchor-leaf.js'
import { readCid } from '../../vault/cid.js'
import { decodeEnvelope, type Envelope, requireBlock } from '../../vault/envelope.js'
import { recordTag } from '../../vault/payload.js'
import { isSignedBy } from '../../vault/signatures.js'
import { type Check, hex, type Material, PAGE, reason } from './check.js'
import { SealedFor } from './sealed-for.js'

interface RecordRow {
  readonly resource_pk: bigint
  readonly version: number
  readonly type: string
  readonly id: string
  readonly source: string | null
  readonly cid: string
  readonly salt: Buffer | null
  readonly author: Buffer
  readonly patient: Buffer | null
  readonly others: readonly Buffer[] | null
  readonly labels: bigint
  readonly leaf: Buffer | null
  readonly batch: number | null
  readonly anchor: number | null
  readonly waits: boolean
}

/**
 * Each version's blocks are there and those of their CIDs, the envelope is of this record and signed by its author, and
 * what we wrote is in a batch or waits for one, once; rows are of the patient and labels under whose keys they are sealed. Nothing is opened: no check needs a patient's plaintext.
 */
export const records: Check = async function* (material) {
  const { database, entity } = material
  let count = 0
  const sealedFor = new SealedFor(material)
  for (let after = [-1n, 0] as [bigint, number]; ;) {
    const { rows } = await database.query<RecordRow>(
      `SELECT v.resource_pk, v.version, r.type, r.id, r.source, v.cid, v.salt, v.author, v.patient, v.others, v.labels, v.leaf, p.anchor, a.pk AS batch,
         (v.resource_pk, v.version) IN (SELECT unnest(pks), unnest(versions) FROM unanchored) AS waits
       FROM resource_version v JOIN resource r ON r.pk = v.resource_pk
       LEFT JOIN anchored p ON p.resource_pk = v.resource_pk AND p.version = v.version LEFT JOIN anchor a ON a.pk = p.anchor
       WHERE v.cid IS NOT NULL AND (v.resource_pk, v.version) > ($1, $2) ORDER BY v.resource_pk, v.version LIMIT $3`,
      [...after, PAGE],
    )
    const last = rows.at(-1)
    if (last === undefined) break
    after = [last.resource_pk, last.version]
    count += rows.length
    for (const row of rows) {
      const where = `${row.type}/${row.id}/_history/${row.version}`
      for await (const what of faultsOf(material, row, sealedFor)) yield { check: 'records', where, what }
      const own = row.source === null && hex(row.author) === entity
      const placed = row.anchor !== null || row.waits
      if (own && (row.leaf === null || !placed)) {
        yield { check: 'records', where, what: 'The version was acknowledged, is in no batch and waits for none.' }
      }
      if (row.anchor !== null && row.waits) {
        yield { check: 'records', where, what: 'The version is in a batch and waits for another.' }
      }
      if (row.anchor !== null && row.batch === null) {
        yield { check: 'records', where, what: 'The batch of the version is not in the rows.' }
      }
    }
    yield* sealedFor.faults()
  }
  yield* queueFaults(material)
  yield* versionGaps(material)
  yield* rowsApart(material)
  return `${count} versions`
}

async function* faultsOf(material: Material, row: RecordRow, sealedFor: SealedFor): AsyncGenerator<string> {
  let envelope: Envelope
  try {
    envelope = decodeEnvelope(await block(material, row.cid))
  } catch (error) {
    return yield reason(error)
  }
  sealedFor.add(`${row.type}/${row.id}/_history/${row.version}`, row, envelope)
  for (const cid of envelope.chunks ?? []) {
    try {
      await block(material, cid.toString())
    } catch (error) {
      yield reason(error)
    }
  }
  const record = { id: `${row.type}/${row.id}`, version: row.version }
  if (hex(envelope.author) !== hex(row.author)) yield 'The envelope is of another author than the row says.'
  const keys = await material.authorKeys(hex(envelope.author))
  const genuine = isSignedBy(keys, readCid(row.cid).digest, envelope)
  if (keys.length > 0 && !genuine) yield 'The envelope is not signed by its author.'
  // An imported record may stand here under another id than its author's.
  if (row.source !== null || row.salt === null) return
  if (hex(recordTag(row.salt, record)) !== hex(envelope.tag)) yield 'The envelope is of another record or version.'
  if (row.leaf === null) return
  if (hex(anchorLeaf(row.salt, row.cid, record, row.author)) !== hex(row.leaf)) {
    yield 'The leaf is not that of salt, block, record, version and author.'
  }
}

async function block({ blocks }: Material, cid: string): Promise<Uint8Array> {
  const found = (await blocks.get([cid])).get(cid)
  if (found === undefined) throw new Error(`The block ${cid} is missing.`)
  requireBlock(cid, found)
  return found
}

/** What waits is there and waits once: a place in a batch is given once, so a second would hold up whatever waits with it. */
async function* queueFaults({ database }: Material): ReturnType<Check> {
  const { rows } = await database.query<{ name: string; times: number; there: boolean }>(
    `SELECT coalesce(r.type || '/' || r.id, 'resource ' || q.pk) || '/_history/' || q.version AS name, q.times, v.version IS NOT NULL AS there
     FROM (
       SELECT pk, version, count(*)::int AS times
       FROM (SELECT unnest(pks) AS pk, unnest(versions) AS version FROM unanchored) u GROUP BY pk, version
     ) q LEFT JOIN resource r ON r.pk = q.pk LEFT JOIN resource_version v ON v.resource_pk = q.pk AND v.version = q.version
     WHERE q.times > 1 OR v.version IS NULL`,
  )
  for (const { name, times, there } of rows) {
    if (times > 1) yield { check: 'records', where: name, what: `The version waits ${times} times for a batch.` }
    if (!there) yield { check: 'records', where: name, what: 'The version waits for a batch and is not in the rows.' }
  }
  return ''
}

/** Versions of what was written here are numbered without gaps, and the current one is the last. */
async function* versionGaps({ database }: Material): ReturnType<Check> {
  const { rows } = await database.query<{ name: string; version: number; count: number; last: number | null }>(
    `SELECT r.type || '/' || r.id AS name, r.version, count(v.version)::int AS count, max(v.version) AS last
     FROM resource r LEFT JOIN resource_version v ON v.resource_pk = r.pk WHERE r.source IS NULL
     GROUP BY r.pk HAVING count(v.version) <> r.version OR max(v.version) IS DISTINCT FROM r.version`,
  )
  for (const { name, version, count } of rows) {
    yield { check: 'records', where: name, what: `The row is at version ${version}, and ${count} versions are there.` }
  }
  return ''
}

/** What decides about a record stands with its current version too, and is the same there. */
async function* rowsApart({ database }: Material): ReturnType<Check> {
  const { rows } = await database.query<{ name: string; version: number; differ: string }>(
    `SELECT r.type || '/' || r.id AS name, r.version, concat_ws(', ',
       CASE WHEN r.patient IS DISTINCT FROM v.patient THEN 'patient' END, CASE WHEN r.labels <> v.labels THEN 'labels' END,
       CASE WHEN r.categories <> v.categories THEN 'categories' END, CASE WHEN r.deleted <> v.deleted THEN 'deleted' END,
       CASE WHEN r.last_updated <> v.last_updated THEN 'last_updated' END) AS differ
     FROM resource r JOIN resource_version v ON v.resource_pk = r.pk AND v.version = r.version
     WHERE r.patient IS DISTINCT FROM v.patient
       OR (r.labels, r.categories, r.deleted, r.last_updated) <> (v.labels, v.categories, v.deleted, v.last_updated)`,
  )
  for (const { name, version, differ } of rows) {
    yield {
      check: 'records',
      where: name,
      what: `The row and its version ${version} differ in ${differ}: one was changed.`,
    }
  }
  return ''
}

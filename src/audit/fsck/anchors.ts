import { merkleRoot } from '../../vault/merkle.js'
import { rawCid } from '../../vault/envelope.js'
import { bytes, type Check, hex, type Material, reason } from './check.js'
import { placeOf, type PlacedEvent } from './chain-history.js'

interface AnchorRow {
  readonly pk: number
  readonly root: Buffer
  readonly manifest: Buffer
  readonly count: number
  readonly block_hash: Buffer | null
  readonly log_index: number | null
}

/** Each batch on chain is in the rows and the other way round, once; its manifest and its leaves give its root. */
export const anchors: Check = async function* (material) {
  const { database, entity, history } = material
  const events = history.events.filter(
    (event) => event.name === 'RecordsAnchored' && event.args.entity === entity,
  ) as (PlacedEvent & { name: 'RecordsAnchored' })[]
  const { rows } = await database.query<AnchorRow>(
    'SELECT pk, root, manifest, count, block_hash, log_index FROM anchor ORDER BY pk',
  )
  const byRoot = new Map(rows.map((row) => [hex(row.root), row]))
  const seen = new Set<string>()
  for (const event of events) {
    const where = `batch ${event.args.root}, ${placeOf(event)}`
    const row = byRoot.get(event.args.root)
    if (seen.has(event.args.root)) yield { check: 'anchors', where, what: 'The batch was anchored twice.' }
    seen.add(event.args.root)
    if (row === undefined) {
      yield { check: 'anchors', where, what: 'The batch is on chain and not in the rows.' }
    } else if (row.block_hash === null || hex(row.block_hash) !== event.blockHash || row.log_index !== event.logIndex) {
      yield { check: 'anchors', where, what: 'The row places the batch elsewhere on the chain.' }
    } else if (hex(row.manifest) !== event.args.manifest || row.count !== event.args.count) {
      yield { check: 'anchors', where, what: 'Manifest or number of leaves of the row differ from the event.' }
    }
  }
  const leaves = new Map<string, string>()
  for (const row of rows) {
    const where = `batch ${hex(row.root)}`
    if (row.block_hash !== null && !seen.has(hex(row.root))) {
      yield { check: 'anchors', where, what: 'The row says that the batch is on chain, and it is not.' }
    }
    for (const what of await faultsOf(material, row, leaves)) yield { check: 'anchors', where, what }
  }
  return `${rows.length} batches, ${events.length} on chain`
}

/** @param seen batch by leaf, over all batches */
async function faultsOf(material: Material, row: AnchorRow, seen: Map<string, string>): Promise<string[]> {
  const faults: string[] = []
  const { rows: members } = await material.database.query<{ cid: string | null; leaf: Buffer | null }>(
    `SELECT v.cid, v.leaf FROM anchored p JOIN resource_version v ON v.resource_pk = p.resource_pk AND v.version = p.version
     WHERE p.anchor = $1 ORDER BY p.place`,
    [row.pk],
  )
  if (members.length !== row.count)
    faults.push(`${row.count} versions were anchored, ${members.length} are in the rows.`)
  const leaves = members.map(({ leaf }) => leaf ?? Buffer.alloc(32))
  if (hex(merkleRoot(leaves)) !== hex(row.root)) faults.push('The leaves in the rows do not give the root.')
  for (const leaf of leaves) {
    const other = seen.get(hex(leaf))
    if (other !== undefined) faults.push(`Leaf ${hex(leaf)} is in the batch ${other} too: anchored twice.`)
    seen.set(hex(leaf), hex(row.root))
  }
  try {
    const cid = rawCid(row.manifest)
    const block = (await material.blocks.get([cid])).get(cid)
    if (block === undefined) throw new Error(`The manifest ${cid} is missing.`)
    const { entity, entries } = material.decodeManifest(block)
    if (bytes(entity).compare(bytes(material.entity)) !== 0) faults.push('The manifest is of another entity.')
    const same =
      entries.length === members.length &&
      entries.every(({ cid, leaf }, i) => cid === members[i]?.cid && hex(leaf) === hex(leaves[i] as Uint8Array))
    if (!same) faults.push('The manifest lists other blocks or leaves than the rows.')
  } catch (error) {
    faults.push(reason(error))
  }
  return faults
}

import { decodeSegment } from '../segments.js'
import { LogHeads } from '../log-heads.js'
import { type Check, hex, type Finding, type Material, reason } from './check.js'

/** Leaf hashes by index as the segments on IPFS have them: a second witness beside the rows. */
export async function segmentLeaves(material: Material): Promise<{ leaves: Map<number, string>; findings: Finding[] }> {
  const leaves = new Map<number, string>()
  const findings: Finding[] = []
  for (const { size, segments } of await new LogHeads(material.database).all()) {
    for (const cid of segments) {
      try {
        const block = (await material.blocks.get([cid])).get(cid)
        if (block === undefined) throw new Error('The block is missing.')
        const { first, entries } = decodeSegment(block)
        entries.forEach(([leaf], i) => leaves.set(first + i, hex(leaf)))
      } catch (error) {
        findings.push({ check: 'segments', where: `${cid} of the head of ${size} leaves`, what: reason(error) })
      }
    }
  }
  return { leaves, findings }
}

/** Each segment is there, unaltered, and says what the rows say: so a changed, missing or moved leaf has a name. */
export const segments: Check = async function* (material) {
  const { leaves, findings } = await segmentLeaves(material)
  yield* findings
  const { rows } = await material.database.query<{ leaf_index: bigint; hash: Buffer; name: string | null }>(
    `SELECT l.leaf_index, l.hash, r.type || '/' || r.id AS name FROM audit_leaf l
     LEFT JOIN resource r ON r.pk = l.resource_pk WHERE l.leaf_index IS NOT NULL`,
  )
  const byHash = new Map([...leaves].map(([index, hash]) => [hash, index]))
  for (const { leaf_index, hash, name } of rows) {
    const index = Number(leaf_index)
    const wanted = leaves.get(index)
    if (wanted === undefined || wanted === hex(hash)) continue
    const moved = byHash.get(hex(hash))
    yield {
      check: 'segments',
      where: `leaf ${index} (${name ?? 'its record is gone'})`,
      what:
        moved === undefined
          ? 'The leaf hash was changed: the segment of the log has another one.'
          : `The leaf was moved: in the segment of the log it is leaf ${moved}.`,
    }
  }
  return `${leaves.size} leaves`
}

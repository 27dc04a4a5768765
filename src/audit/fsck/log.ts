import { LogHeads } from '../log-heads.js'
import { Frontier } from '../rfc9162.js'
import { bytes, type Check, hex, PAGE } from './check.js'
import { placeOf, type PlacedEvent } from './chain-history.js'
import { segmentLeaves } from './segments.js'

/** The tree over the leaves in the rows has, at each size that was published, the root that is on chain. */
export const log: Check = async function* (material) {
  const { database, entity, reader, history } = material
  const published = history.events.filter(
    (event) => event.name === 'AuditHeadPublished' && event.args.entity === entity,
  ) as (PlacedEvent & { name: 'AuditHeadPublished' })[]
  const rows = new Map((await new LogHeads(database).all()).map((head) => [head.size, head]))
  for (const event of published) {
    const row = rows.get(Number(event.args.size))
    if (row?.evidence?.blockHash === event.blockHash && row.root === event.args.root) continue
    const where = `head of ${event.args.size} leaves, ${placeOf(event)}`
    yield { check: 'log', where, what: 'The row of the head differs from the event on chain.' }
  }
  const known = new Set(published.map(({ args }) => Number(args.size)))
  for (const { size, evidence } of rows.values()) {
    if (evidence === null || known.has(size)) continue
    yield { check: 'log', where: `head of ${size} leaves`, what: 'The row says that it is on chain, and it is not.' }
  }

  const heads = published.map(({ args }) => ({ size: Number(args.size), root: args.root }))
  const { leaves: witnesses } = await segmentLeaves(material)
  const tree = new Frontier()
  let sound = 0
  let broken = false
  const append = (hash: Uint8Array): string | null => {
    tree.append(hash)
    const head = heads[0]
    if (head?.size !== tree.size) return null
    heads.shift()
    if (hex(tree.root()) === head.root) sound = head.size
    else if (!broken) {
      broken = true
      return `Leaves ${sound} to ${head.size - 1} are not those whose root is on chain: one was changed, removed or moved.`
    }
    return null
  }
  for (let next = 0; ;) {
    const { rows: page } = await database.query<{ leaf_index: bigint; hash: Buffer }>(
      'SELECT leaf_index, hash FROM audit_leaf WHERE leaf_index >= $1 ORDER BY leaf_index LIMIT $2',
      [next, PAGE * 10],
    )
    if (page.length === 0) break
    for (const { leaf_index, hash } of page) {
      for (; next < Number(leaf_index); next++) {
        yield { check: 'log', where: `leaf ${next}`, what: 'The leaf was removed from the rows.' }
        // The segment's witness stands in, so that what comes after it is judged by itself.
        const what = append(bytes(witnesses.get(next) ?? `0x${'00'.repeat(32)}`))
        if (what !== null) yield { check: 'log', where: `head of ${tree.size} leaves`, what }
      }
      const what = append(hash)
      next++
      if (what !== null) yield { check: 'log', where: `head of ${tree.size} leaves`, what }
    }
  }
  const [beyond] = heads
  if (beyond !== undefined) {
    const what = `The chain has a head of ${beyond.size} leaves and the rows have ${tree.size}: the last ones were removed.`
    yield { check: 'log', where: `head of ${beyond.size} leaves`, what }
  }
  const now = await reader.read('AuditLog', 'headOf', entity)
  const last = published.at(-1)
  if (last !== undefined && Number(now.size) < Number(last.args.size)) {
    yield { check: 'log', where: 'AuditLog.headOf', what: 'The contract names an older head than its events.' }
  }
  return `${tree.size} leaves, ${published.length} heads on chain`
}

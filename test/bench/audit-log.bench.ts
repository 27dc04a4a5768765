import { it } from 'vitest'
import { VerifiableLog } from '../../src/audit/log.js'
import type { NewAuditRecord } from '../../src/records/types.js'
import { aRead, hospital } from '../audit/support/hospital.js'

/**
 * `npx vitest bench --run test/bench/audit-log.bench.ts`: making audit rows, numbering them into the tree, publishing a head
 * with its segments, and proofs in a log of that size. PGlite and anvil.
 */
const LEAVES = 10_000
const PROOFS = 200

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] ?? NaN
}

async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const from = process.hrtime.bigint()
  await work()
  return Number(process.hrtime.bigint() - from) / 1e6
}

it('the verifiable log', async () => {
  const h = await hospital()
  const options = { publishAfterMs: 3_600_000, publishAtLeaves: 1e9, lookEveryMs: 3_600_000 }
  const onProblem = (error: unknown): never => {
    throw error
  }
  const open = (): VerifiableLog => new VerifiableLog({ ...h, sender: h.operator, onProblem }, options)
  const made: number[] = []
  for (let i = 0; i < LEAVES; i += 500) {
    let audit: NewAuditRecord[] = []
    made.push(
      await milliseconds(async () => {
        audit = await h.trail.records(Array.from({ length: 500 }, () => aRead(h.patient)))
      }),
    )
    await h.records.commit({ audit })
  }
  const log = open()
  const numbered = await milliseconds(() => log.advance())
  const published = await milliseconds(() => log.advance(true))
  const again = open()
  const recovered = await milliseconds(() => again.advance())
  const proofs: number[] = []
  for (let i = 0; i < PROOFS; i++) {
    const index = Math.floor(Math.random() * LEAVES)
    proofs.push(await milliseconds(() => again.tree.inclusionProof(index, LEAVES)))
  }
  console.table({
    'row: AuditEvent, RFC 8785, index, seal (µs, median)': (median(made) * 1000) / 500,
    'number into the tree (µs a leaf)': (numbered * 1000) / LEAVES,
    [`segments and head of ${LEAVES} leaves (ms)`]: published,
    'start again at that size (ms)': recovered,
    'inclusion proof (ms, median)': median(proofs),
  })
  await h.stop()
}, 300_000)

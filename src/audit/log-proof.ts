import type { Contracts } from '../ledger/contracts.js'
import type { Hex } from '../ledger/hex.js'
import type { Ref } from '../records/types.js'
import type { LedgerEvidence } from './occurrence.js'
import type { LogHead } from './log-heads.js'
import type { VerifiableLog } from './log.js'

/** A head on chain and the hashes that lead to it. */
export interface ProvenHead {
  readonly size: number
  readonly root: Hex
  readonly proof: readonly Hex[]
  readonly evidence: LedgerEvidence
}

/** That a record of the trail is in the log, for whoever has an RPC URL and no trust in us. */
export interface LogProof {
  readonly leafHash: Hex
  /** `null`: erased. The leaf hash is SHA-256(00 ‖ salt ‖ RFC 8785 form of the resource). */
  readonly salt: Hex | null
  /** Place in the log; `null`: not numbered yet. */
  readonly index: number | null
  /** Inclusion in the first head on chain that contains it (RFC 9162, 2.1.3); `null`: no head does yet. */
  readonly inclusion: ProvenHead | null
  /** That the newest head on chain extends that one (2.1.4). */
  readonly consistency: ProvenHead | null
  /** CIDs of the blocks that hold the sealed bodies since the head before. */
  readonly segments: readonly string[]
}

/** `null`: the log has no such record. */
export async function proveLeaf(log: VerifiableLog, contracts: Contracts, ref: Ref): Promise<LogProof | null> {
  const leaf = await log.leaves.leaf(ref)
  if (leaf === null) return null
  const { index } = leaf
  const known = { leafHash: hex(leaf.hash), salt: leaf.salt && hex(leaf.salt), index }
  const [head, newest] =
    index === null ? [null, null] : await Promise.all([log.heads.containing(index), log.heads.newest()])
  if (index === null || head === null || newest === null) {
    return { ...known, inclusion: null, consistency: null, segments: [] }
  }
  const [path, extension] = await Promise.all([
    log.tree.inclusionProof(index, head.size),
    log.tree.consistencyProof(head.size, newest.size),
  ])
  return {
    ...known,
    inclusion: proven(contracts, head, path),
    consistency: proven(contracts, newest, extension),
    segments: head.segments,
  }
}

function proven(
  contracts: Contracts,
  { size, root, evidence }: LogHead,
  proof: readonly Uint8Array[],
): ProvenHead | null {
  if (evidence === null) return null
  const { chainId, addresses } = contracts
  return { size, root, proof: proof.map(hex), evidence: { chainId, contract: addresses.AuditLog, ...evidence } }
}

function hex(bytes: Uint8Array): Hex {
  return `0x${Buffer.from(bytes).toString('hex')}`
}

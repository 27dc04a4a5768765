import { decodeRlp, keccak256 } from 'ethers'
import { ConsentryError } from '../errors.js'
import { headerCall, parseHeader, type BlockRef } from './chain.js'
import { toQuantity, type Hex } from './hex.js'
import type { LedgerReader } from './reads.js'

/** What `eth_getProof` (EIP-1186) says of one storage word, with the state root of the block it holds for. */
export interface StorageProof {
  readonly block: BlockRef
  readonly stateRoot: Hex
  readonly address: Hex
  /** 32 bytes. */
  readonly slot: Hex
  /** Nodes from the state root to the account, and from its storage root to the word; RLP. */
  readonly accountProof: readonly Hex[]
  readonly storageProof: readonly Hex[]
}

export interface ConsentKey {
  readonly patient: Hex
  readonly grantee: Hex
  readonly label: Hex
  readonly action: number
}

/**
 * Evidence of one consent word at one block, for whoever trusts that block's state root and nobody here: `verifyProof` takes
 * it from there. Nodes keep old states for a short while only (geth: 128 blocks; the embedded chain: 16).
 */
export async function consentProof(reader: LedgerReader, key: ConsentKey, block?: number): Promise<StorageProof> {
  const { rpc, contracts } = reader
  const slot = await reader.read('ConsentRegistry', 'slotOf', key.patient, key.grantee, key.label, key.action)
  const address = contracts.addresses.ConsentRegistry
  const call = headerCall(block ?? 'latest')
  const raw = await rpc.send(call.method, call.params)
  const header = parseHeader(raw)
  if (!header) throw new ConsentryError('not-found', `The chain has no block ${block}.`)
  const answer = await rpc.send('eth_getProof', [address, [slot], toQuantity(header.number)])
  const { accountProof, storageProof } = answer as { accountProof: Hex[]; storageProof: { proof: Hex[] }[] }
  const { number, hash, timestamp } = header
  const proof = {
    block: { number, hash, timestamp },
    stateRoot: (raw as { stateRoot: Hex }).stateRoot,
    address,
    slot,
    accountProof,
    storageProof: storageProof[0]?.proof ?? [],
  }
  verifyProof(proof)
  return proof
}

/** The word that the proof shows, zero if it shows that there is none. `integrity` when it does not lead to the state root. */
export function verifyProof(proof: StorageProof): bigint {
  const account = lookUp(proof.stateRoot, proof.address, proof.accountProof)
  // No account, no storage.
  if (account === null) return 0n
  const storageRoot = (decodeRlp(account) as string[])[2]
  if (storageRoot === undefined) throw broken('the account is malformed')
  const word = lookUp(storageRoot as Hex, proof.slot, proof.storageProof)
  return word === null ? 0n : BigInt(decodeRlp(word) as string)
}

type Node = string | Node[]

/** Merkle Patricia trie, Yellow Paper appendix D; keys are hashed ("secure"). `null`: proven absent. */
function lookUp(root: Hex, key: Hex, proof: readonly Hex[]): Hex | null {
  const path = keccak256(key).slice(2)
  let expected: Node = root
  let depth = 0
  let at = 0
  // keccak256(rlp('')): the root of an empty trie, for which nodes give an empty proof.
  if (root === '0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421') return null
  for (;;) {
    const node: Node = Array.isArray(expected) ? expected : readNode(proof[at++], expected)
    if (node.length === 17) {
      if (depth === path.length) return present(node[16])
      expected = child(node[parseInt(path[depth++] ?? '', 16)])
    } else if (node.length === 2 && typeof node[0] === 'string') {
      const { nibbles, leaf } = compact(node[0])
      if (!path.startsWith(nibbles, depth)) return null
      depth += nibbles.length
      if (leaf) return depth === path.length ? present(node[1]) : null
      expected = child(node[1])
    } else throw broken('a node is malformed')
    if (expected === '0x') return null
  }
}

function readNode(raw: Hex | undefined, hash: string): Node[] {
  if (raw === undefined) throw broken('a node is missing')
  if (keccak256(raw) !== hash) throw broken('a node does not match its hash')
  const node = decodeRlp(raw)
  if (!Array.isArray(node)) throw broken('a node is malformed')
  return node
}

/** A child is a hash, a node of less than 32 bytes in place, or nothing. */
function child(node: Node | undefined): Node {
  if (node === undefined) throw broken('a node is malformed')
  return node
}

function present(value: Node | undefined): Hex | null {
  if (typeof value !== 'string') throw broken('a value is malformed')
  return value === '0x' ? null : (value as Hex)
}

/** Hex-prefix encoding, Yellow Paper appendix C. */
function compact(encoded: string): { nibbles: string; leaf: boolean } {
  const flag = parseInt(encoded[2] ?? '', 16)
  return { nibbles: encoded.slice(flag & 1 ? 3 : 4), leaf: (flag & 2) !== 0 }
}

function broken(why: string): ConsentryError {
  return new ConsentryError('integrity', `The storage proof does not hold: ${why}.`)
}

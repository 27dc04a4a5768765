import { decodeRlp, keccak256 } from 'ethers'
import { ConsentryError } from '../errors.js'
import { encodeHeader, readHeader } from './block-header.js'
import { type BlockRef, headerCall } from './chain.js'
import { toQuantity, type Hex } from './hex.js'
import { RpcError, type Rpc } from './rpc.js'

/** Words of contracts at one block, for whoever trusts the block's hash and nobody else (`eth_getProof`, EIP-1186). */
export interface StateProof {
  /** RLP; its keccak-256 is the block's hash. */
  readonly header: Hex
  readonly accounts: readonly AccountProof[]
}

export interface AccountProof {
  readonly address: Hex
  /** Nodes from the state root to the account; RLP. */
  readonly nodes: readonly Hex[]
  readonly words: readonly WordProof[]
}

export interface WordProof {
  /** 32 bytes. */
  readonly slot: Hex
  /** Nodes from the account's storage root to the word; RLP. */
  readonly nodes: readonly Hex[]
}

/** What a proof shows. */
export interface ProvenState {
  readonly block: BlockRef
  /** The word in this slot, zero if it is shown that there is none. @throws ConsentryError `integrity` when nothing is shown */
  word(address: Hex, slot: Hex): bigint
}

export interface WantedWords {
  readonly address: Hex
  readonly slots: readonly Hex[]
}

/**
 * Nodes keep old states for a short while only (geth: 128 blocks; the embedded chain: 16), so this is about the latest block.
 * @throws ConsentryError `unavailable` where the node gives no proof, or one of another block than it names
 */
export async function stateProof(rpc: Rpc, wanted: readonly WantedWords[]): Promise<StateProof> {
  const call = headerCall('latest')
  const raw = (await rpc.send(call.method, call.params)) as Readonly<Record<string, unknown>>
  const header = encodeHeader(raw)
  const { number } = readHeader(header)
  const answers = await rpc.batch(
    wanted.map(({ address, slots }) => ({
      method: 'eth_getProof',
      params: [address, slots, toQuantity(number)],
    })),
  )
  const accounts = wanted.map(({ address, slots }, i): AccountProof => {
    const answer = answers[i]
    if (answer instanceof RpcError) {
      const text = 'The Ethereum node gives no proof of its state (eth_getProof).'
      throw new ConsentryError('unavailable', text, { retryAfterSeconds: 5, cause: answer })
    }
    const { accountProof, storageProof } = answer as { accountProof: Hex[]; storageProof: { proof: Hex[] }[] }
    const words = slots.map((slot, j): WordProof => ({ slot, nodes: storageProof[j]?.proof ?? [] }))
    return { address, nodes: accountProof, words }
  })
  return { header, accounts }
}

/** Follows every path of the proof. @throws ConsentryError `integrity` when one does not lead to the state root */
export function verifyState(proof: StateProof): ProvenState {
  const { stateRoot, ...block } = readHeader(proof.header)
  const words = new Map<string, bigint>()
  for (const account of proof.accounts) {
    const storageRoot = storageRootOf(lookUp(stateRoot, account.address, account.nodes))
    for (const { slot, nodes } of account.words) {
      // No account, no storage.
      const word = storageRoot === null ? null : lookUp(storageRoot, slot, nodes)
      words.set(nameOf(account.address, slot), word === null ? 0n : valueOf(word))
    }
  }
  return {
    block,
    word(address, slot) {
      const found = words.get(nameOf(address, slot))
      if (found === undefined) throw broken('a word is not in it')
      return found
    },
  }
}

function nameOf(address: Hex, slot: Hex): string {
  return `${address}|${slot}`.toLowerCase()
}

function storageRootOf(account: Hex | null): Hex | null {
  if (account === null) return null
  const fields = rlp(account)
  const storageRoot = Array.isArray(fields) ? fields[2] : undefined
  if (typeof storageRoot !== 'string') throw broken('the account is malformed')
  return storageRoot as Hex
}

/** A word that was set back to zero is gone from the trie by the Yellow Paper; anvil keeps it there as an empty value. */
function valueOf(word: Hex): bigint {
  const value = rlp(word)
  if (typeof value !== 'string' || value.length > 66) throw broken('a value is malformed')
  return value === '0x' ? 0n : BigInt(value)
}

function rlp(raw: Hex): Node {
  try {
    return decodeRlp(raw)
  } catch {
    throw broken('it is malformed')
  }
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
  const node = rlp(raw)
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

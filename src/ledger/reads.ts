import { id } from 'ethers'
import { ConsentryError } from '../errors.js'
import type { Reads } from './abi.js'
import { aggregateAnswers, aggregateCode, aggregateLimit } from './aggregate.js'
import type { Contracts } from './contracts.js'
import { type Call, type ContractName } from './contracts.js'
import { toQuantity, type Hex } from './hex.js'
import { revertIn } from './refusal.js'
import { RpcError, type Rpc } from './rpc.js'

export type InputsOf<C extends ContractName, F extends keyof Reads[C]> = Reads[C][F] extends {
  inputs: infer I extends readonly unknown[]
}
  ? I
  : never
export type OutputOf<C extends ContractName, F extends keyof Reads[C]> = Reads[C][F] extends { output: infer O }
  ? O
  : never

/** One question to the consent registry; bit sets and numbers as in IConsentRegistry. */
export interface ConsentQuestion {
  readonly patient: Hex
  readonly grantee: Hex
  /** One label; the zero label is `ALL_LABELS` and is asked as a question of its own. */
  readonly label: Hex
  /** 0 read, 1 create, 2 update, 3 delete, 4 export, 5 subscribe. */
  readonly action: number
  readonly purpose: number
  readonly categories: bigint
}

/** Where a question is asked: a tag, a number, or a block hash (EIP-1898), which no reorganisation can mix up. */
export type BlockId = 'latest' | 'safe' | 'finalized' | number | { readonly blockHash: Hex }

/** Asks the contracts; costs nothing and changes nothing. */
export class LedgerReader {
  constructor(
    readonly rpc: Rpc,
    readonly contracts: Contracts,
  ) {}

  async read<C extends ContractName, F extends keyof Reads[C] & string>(
    contract: C,
    name: F,
    ...inputs: InputsOf<C, F>
  ): Promise<OutputOf<C, F>> {
    const [answer] = await this.readMany(contract, name, [inputs])
    return answer as OutputOf<C, F>
  }

  /** The same function for many inputs at one block, in JSON-RPC batches. */
  async readMany<C extends ContractName, F extends keyof Reads[C] & string>(
    contract: C,
    name: F,
    inputs: readonly InputsOf<C, F>[],
    block: BlockId = 'latest',
  ): Promise<OutputOf<C, F>[]> {
    const calls = inputs.map((input) => (this.contracts.read as ReadCall)(contract, name, ...input))
    const answers = await this.callMany(calls, block)
    return answers.map((data) => this.contracts.result(contract, name, data))
  }

  /** Whether each may be done now; in the order of the questions. */
  async check(questions: readonly ConsentQuestion[], block: BlockId = 'latest'): Promise<boolean[]> {
    return await this.#ask('check', questions, block)
  }

  /** Why not: index into the `Denial` enumeration of IConsentRegistry, 0 for permitted. */
  async denials(questions: readonly ConsentQuestion[], block: BlockId = 'latest'): Promise<number[]> {
    return await this.#ask('denial', questions, block)
  }

  /** In one call of the node for hundreds of questions; one call each where the node does not run code without address. */
  async #ask<F extends 'check' | 'denial'>(
    name: F,
    questions: readonly ConsentQuestion[],
    block: BlockId,
  ): Promise<OutputOf<'ConsentRegistry', F>[]> {
    const to = this.contracts.addresses.ConsentRegistry
    const calls = questions.map((question): Call => ({ to, data: questionData(name, question) }))
    const answers: Hex[] = []
    for (let start = 0; start < calls.length; start += QUESTIONS) {
      const some = calls.slice(start, start + QUESTIONS)
      answers.push(...((await this.#aggregated(some, block)) ?? (await this.callMany(some, block))))
    }
    return answers.map((data) => answerOf(name, data))
  }

  async #aggregated(calls: readonly Call[], block: BlockId): Promise<Hex[] | null> {
    if (calls.length < 2) return null
    const data = aggregateCode(
      this.contracts.addresses.ConsentRegistry,
      calls.map((call) => call.data),
    )
    const [answer] = await this.rpc.batch([{ method: 'eth_call', params: [{ data }, blockParameter(block)] }])
    if (answer instanceof RpcError) return null
    const answers = aggregateAnswers(answer as Hex)
    return answers.length === calls.length ? answers : null
  }

  /** Raw `eth_call`s; ContractRefusal of the first that reverts. */
  async callMany(calls: readonly Call[], block: BlockId = 'latest'): Promise<Hex[]> {
    const params = (call: Call): unknown[] => [call, blockParameter(block)]
    const answers = await this.rpc.batch(calls.map((call) => ({ method: 'eth_call', params: params(call) })))
    return answers.map((answer) => {
      if (!(answer instanceof RpcError)) return answer as Hex
      const text = `The Ethereum node refuses a reading call: ${answer.message.slice(0, 200)}`
      throw revertIn(answer) ?? new ConsentryError('unavailable', text, { retryAfterSeconds: 5, cause: answer })
    })
  }
}

const SIGNATURE = '(bytes32,bytes32,bytes32,uint256,uint256,uint256)'
const SELECTORS = {
  check: id(`check${SIGNATURE}`).slice(0, 10),
  denial: id(`denial${SIGNATURE}`).slice(0, 10),
} as Record<'check' | 'denial', Hex>
/** Of `check` and `denial`: a selector and six words. */
const QUESTIONS = aggregateLimit(4 + 6 * 32)

function blockParameter(block: BlockId): unknown {
  return typeof block === 'number' ? toQuantity(block) : block
}

type ReadCall = (contract: ContractName, name: string, ...inputs: readonly unknown[]) => Call

/** ABI encoding and decoding by hand: six words in, one out; ethers takes a hundred times as long, longer than the node. */
export function questionData(name: 'check' | 'denial', q: ConsentQuestion): Hex {
  const numbers = [q.action, q.purpose, q.categories].map((value) => value.toString(16).padStart(64, '0'))
  return `${SELECTORS[name]}${q.patient.slice(2)}${q.grantee.slice(2)}${q.label.slice(2)}${numbers.join('')}`
}

function answerOf<F extends 'check' | 'denial'>(name: F, data: Hex): OutputOf<'ConsentRegistry', F> {
  if (data.length !== 66)
    throw new ConsentryError('internal', 'There is no ConsentRegistry at the address that is configured.')
  const value = Number(data)
  return (name === 'check' ? value === 1 : value) as OutputOf<'ConsentRegistry', F>
}

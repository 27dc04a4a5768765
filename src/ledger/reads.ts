import type { Reads } from './abi.js'
import type { Contracts } from './contracts.js'
import { type Call, type ContractName } from './contracts.js'
import { toQuantity, type Hex } from './hex.js'
import { revertIn } from './refusal.js'
import { RpcError, type Rpc } from './rpc.js'
import { ConsentryError } from '../errors.js'

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
    return await this.readMany('ConsentRegistry', 'check', questions.map(inputsOf), block)
  }

  /** Why not: index into the `Denial` enumeration of IConsentRegistry, 0 for permitted. */
  async denials(questions: readonly ConsentQuestion[], block: BlockId = 'latest'): Promise<number[]> {
    return await this.readMany('ConsentRegistry', 'denial', questions.map(inputsOf), block)
  }

  /** Raw `eth_call`s; ContractRefusal of the first that reverts. */
  async callMany(calls: readonly Call[], block: BlockId = 'latest'): Promise<Hex[]> {
    const at = typeof block === 'number' ? toQuantity(block) : block
    const answers = await this.rpc.batch(calls.map((call) => ({ method: 'eth_call', params: [call, at] })))
    return answers.map((answer) => {
      if (!(answer instanceof RpcError)) return answer as Hex
      const text = `The Ethereum node refuses a reading call: ${answer.message.slice(0, 200)}`
      throw revertIn(answer) ?? new ConsentryError('unavailable', text, { retryAfterSeconds: 5, cause: answer })
    })
  }
}

type ReadCall = (contract: ContractName, name: string, ...inputs: readonly unknown[]) => Call

function inputsOf(q: ConsentQuestion): InputsOf<'ConsentRegistry', 'check'> {
  return [q.patient, q.grantee, q.label, BigInt(q.action), BigInt(q.purpose), q.categories]
}

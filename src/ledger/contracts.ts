import { readFileSync } from 'node:fs'
import { Interface, type InterfaceAbi } from 'ethers'
import { ConsentryError } from '../errors.js'
import type { Events, Reads, Writes } from './abi.js'
import { fieldsFromAbi, fromAbi } from './abi-values.js'
import type { ChainEvent, RawLog } from './chain.js'
import type { Hex } from './hex.js'

export const CONTRACT_NAMES = [
  'IdentityRegistry',
  'ConsentRegistry',
  'RecordAnchors',
  'AuditLog',
  'ProxyRegistry',
] as const

export type ContractName = (typeof CONTRACT_NAMES)[number]
export type Addresses = Readonly<Record<ContractName, Hex>>

/** What a log of one of our contracts says: `name` tells which `args` there are. */
export type LedgerFact = {
  [C in ContractName]: {
    [E in keyof Events[C]]: { contract: C; name: E & string; args: Events[C][E] }
  }[keyof Events[C]]
}[ContractName]

export type LedgerEvent = ChainEvent<LedgerFact>

/** What a transaction or an `eth_call` asks of which address. */
export interface Call {
  readonly to: Hex
  readonly data: Hex
}

interface Artifact {
  readonly abi: InterfaceAbi
  /** Creation code; `0x` while only the interface has been compiled. */
  readonly bytecode: Hex
}

export function artifact(name: ContractName): Artifact {
  const file = new URL(`../../generated/contracts/${name}.json`, import.meta.url)
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Artifact
  } catch (cause) {
    throw new ConsentryError('internal', `The contract ${name} is not built: run npm run generate:contracts.`, {
      cause,
    })
  }
}

const interfaces = new Map<ContractName, Interface>()

/** Parsed once per process. */
export function interfaceOf(name: ContractName): Interface {
  let found = interfaces.get(name)
  if (!found) interfaces.set(name, (found = new Interface(artifact(name).abi)))
  return found
}

/** The five contracts at their addresses on one chain. */
export class Contracts {
  readonly #names: ReadonlyMap<Hex, ContractName>

  constructor(
    readonly chainId: number,
    readonly addresses: Addresses,
  ) {
    this.#names = new Map(CONTRACT_NAMES.map((name) => [addresses[name].toLowerCase() as Hex, name]))
  }

  /** Lower case, for a log filter. */
  get list(): readonly Hex[] {
    return [...this.#names.keys()]
  }

  /** The transaction that calls a writing function. */
  write<C extends ContractName, F extends keyof Writes[C] & string>(
    contract: C,
    name: F,
    ...inputs: Writes[C][F] extends readonly unknown[] ? Writes[C][F] : never
  ): Call {
    return this.#call(contract, name, inputs)
  }

  /** The `eth_call` of a reading function. */
  read<C extends ContractName, F extends keyof Reads[C] & string>(
    contract: C,
    name: F,
    ...inputs: Reads[C][F] extends { inputs: infer I extends readonly unknown[] } ? I : never
  ): Call {
    return this.#call(contract, name, inputs)
  }

  /** What a reading function returned: one value as such, several as an object by name. */
  result<C extends ContractName, F extends keyof Reads[C] & string>(
    contract: C,
    name: F,
    data: Hex,
  ): Reads[C][F] extends { output: infer O } ? O : never {
    const fragment = interfaceOf(contract).getFunction(name)
    if (!fragment) throw new ConsentryError('internal', `${contract} has no function ${name}.`)
    if (data === '0x' && fragment.outputs.length > 0) {
      throw new ConsentryError('internal', `There is no ${contract} at the address that is configured.`)
    }
    const values = interfaceOf(contract).decodeFunctionResult(fragment, data)
    const [only] = fragment.outputs
    const decoded =
      only && fragment.outputs.length === 1 ? fromAbi(only, values[0]) : fieldsFromAbi(fragment.outputs, values)
    return decoded as Reads[C][F] extends { output: infer O } ? O : never
  }

  /** `null` for a log of another address, or of an event that these ABIs do not know. */
  decode(log: RawLog): LedgerFact | null {
    const contract = this.#names.get(log.address)
    if (!contract) return null
    const abi = interfaceOf(contract)
    const event = log.topics[0] ? abi.getEvent(log.topics[0]) : null
    if (!event) return null
    const args = fieldsFromAbi(event.inputs, abi.decodeEventLog(event, log.data, log.topics))
    // The fields are those that the ABI gives this event, of which the types are generated.
    return { contract, name: event.name, args } as unknown as LedgerFact
  }

  #call(contract: ContractName, name: string, inputs: readonly unknown[]): Call {
    return {
      to: this.addresses[contract],
      data: interfaceOf(contract).encodeFunctionData(name, inputs) as Hex,
    }
  }
}

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Interface, type InterfaceAbi } from 'ethers'
import { bytesOf, type Call, Machine, type Path } from './machine.js'
import { Solver } from './solver.js'
import { type Byte, type Storage, Terms, type Word } from './terms.js'

const require = createRequire(import.meta.url)
export const IDENTITY = 0x1d0000000000000000000000000000000000001dn
const ADDRESS = 0xc00000000000000000000000000000000000000cn

export interface Artifact {
  readonly abi: InterfaceAbi
  readonly bytecode: string
}

export const artifact = (name: string): Artifact =>
  JSON.parse(readFileSync(`generated/contracts/${name}.json`, 'utf8')) as Artifact

/** A contract as it is deployed, whose functions are run on words that can be anything. */
export class Subject {
  readonly terms = new Terms()
  /** Whoever sends, unless the circumstances say who. */
  readonly caller = this.terms.any('caller')
  readonly time = this.terms.any('time')
  readonly storage = this.terms.anyStorage()
  private readonly solver = new Solver(this.terms)
  private machine: Machine | null = null

  private constructor(private readonly abi: Interface) {}

  /** @param constructorArguments words */
  static async deployed({ abi, bytecode }: Artifact, ...constructorArguments: bigint[]): Promise<Subject> {
    const subject = new Subject(new Interface(abi))
    const creation = [...Buffer.from(bytecode.slice(2), 'hex'), ...constructorArguments.flatMap(bytesOf)]
    const machine = subject.machineOf(creation as number[])
    const [path, ...others] = await machine.run(subject.call([], subject.storage, subject.caller))
    if (path?.end !== 'return' || others.length !== 0) throw new Error('the constructor does not end in one way')
    subject.machine = subject.machineOf(path.returned as number[])
    return subject
  }

  /**
   * Every way through a function.
   *
   * @param words the arguments as ABI words, the tails of arrays with their lengths included
   * @param given conditions, as the solver reads them
   */
  async run(
    name: string,
    words: readonly Word[],
    { given = [], storage = this.storage, caller = this.caller }: Circumstances = {},
  ): Promise<Path[]> {
    if (this.machine === null) throw new Error('not deployed')
    const data = [...Buffer.from(this.selector(name).slice(2), 'hex'), ...words.flatMap(bytesOf)]
    return await this.machine.run(this.call(data, storage, caller), given)
  }

  /** The word that a function returns that has one way to return. */
  async value(name: string, words: readonly Word[], circumstances?: Circumstances): Promise<Word> {
    const returns = (await this.run(name, words, circumstances)).filter((path) => path.end === 'return')
    const [path, ...others] = returns
    if (path === undefined || others.length !== 0) throw new Error(`${name} does not return in one way`)
    return this.terms.word(path.returned)
  }

  /** Whether words exist that satisfy all of these. */
  async isPossible(...conditions: string[]): Promise<boolean> {
    return await this.solver.satisfiable(conditions)
  }

  selector(name: string): string {
    const selector = this.abi.getFunction(name)?.selector
    if (selector === undefined) throw new Error(`no function ${name}`)
    return selector
  }

  async end(): Promise<void> {
    await this.solver.end()
  }

  private call(data: Byte[], storage: Storage, caller: Word): Call {
    return { to: ADDRESS, caller, time: this.time, data, storage }
  }

  private machineOf(code: readonly number[]): Machine {
    return new Machine(Uint8Array.from(code), this.terms, (conditions) => this.solver.satisfiable(conditions))
  }
}

export interface Circumstances {
  readonly given?: readonly string[]
  readonly storage?: Storage
  readonly caller?: Word
}

export const consentRegistry = (from: Artifact = artifact('ConsentRegistry')): Promise<Subject> =>
  Subject.deployed(from, IDENTITY)
export const identityRegistry = (from: Artifact = artifact('IdentityRegistry')): Promise<Subject> =>
  Subject.deployed(from, 0xadn, 604_800n)

interface Solc {
  compile(input: string, callbacks: { import: (path: string) => { contents: string } }): string
}

/** The contract of sources in which one text is replaced: what a proof must find out. */
export function mutant(name: string, file: string, from: string, to: string): Artifact {
  const source = (path: string): string => {
    const text = readFileSync(path.startsWith('@') ? `node_modules/${path}` : path, 'utf8')
    if (path !== file) return text
    if (text.split(from).length !== 2) throw new Error(`${file} does not have this once: ${from}`)
    return text.replace(from, () => to)
  }
  const path = `contracts/${name}.sol`
  const input = {
    language: 'Solidity',
    sources: { [path]: { content: source(path) } },
    settings: {
      optimizer: { enabled: true, runs: 1000 },
      evmVersion: 'cancun',
      metadata: { bytecodeHash: 'none', appendCBOR: false },
      outputSelection: { [path]: { [name]: ['abi', 'evm.bytecode.object'] } },
    },
  }
  const solc = require('solc') as Solc
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: (p) => ({ contents: source(p) }) })) as {
    errors?: { severity: string; formattedMessage: string }[]
    contracts: Record<string, Record<string, { abi: InterfaceAbi; evm: { bytecode: { object: string } } }>>
  }
  const error = output.errors?.find((e) => e.severity === 'error')
  if (error !== undefined) throw new Error(error.formattedMessage)
  const contract = output.contracts[path]?.[name]
  if (contract === undefined) throw new Error(`no ${name}`)
  return { abi: contract.abi, bytecode: `0x${contract.evm.bytecode.object}` }
}

import { type Byte, said, type Storage, Term, type Terms, type Word } from './terms.js'

/** What a transaction or call brings; words that are terms can be anything. */
export interface Call {
  readonly to: bigint
  readonly caller: Word
  readonly time: Word
  readonly data: readonly Byte[]
  readonly storage: Storage
}

/** A question that the code asked another contract, and the answer it was given: any. */
export interface Question {
  readonly to: Word
  readonly data: readonly Byte[]
  /** One word; null: the call failed. */
  readonly answer: Term | null
}

/** One way through the code. */
export interface Path {
  readonly end: 'return' | 'revert'
  /** What was decided on the way, as the solver reads it. */
  readonly conditions: readonly string[]
  readonly returned: readonly Byte[]
  readonly storage: Storage
  readonly questions: readonly Question[]
}

interface State {
  pc: number
  stack: Word[]
  memory: Byte[]
  storage: Storage
  conditions: string[]
  questions: Question[]
  returned: Byte[]
}

const CHAIN_ID = 1n
const OPERATIONS: Record<number, string> = {
  ...{
    0x01: 'ADD',
    0x02: 'MUL',
    0x03: 'SUB',
    0x04: 'DIV',
    0x06: 'MOD',
    0x10: 'LT',
    0x11: 'GT',
    0x12: 'SLT',
    0x13: 'SGT',
  },
  ...{ 0x14: 'EQ', 0x16: 'AND', 0x17: 'OR', 0x18: 'XOR', 0x1b: 'SHL', 0x1c: 'SHR', 0x1d: 'SAR' },
}

/** Whether words that satisfy all of these exist. */
export type Satisfiable = (conditions: readonly string[]) => Promise<boolean>

/**
 * Runs EVM code (Cancun, https://ethereum.github.io/execution-specs/) on words that can be anything, and gives every way
 * through it that some words take.
 *
 * Gas has no end here. Another contract answers a static call with any one word or fails; ecrecover and SHA-256 too. An
 * instruction or a jump that this does not know is an error, never a guess.
 */
export class Machine {
  private readonly destinations: Set<number>

  constructor(
    private readonly code: Uint8Array,
    private readonly terms: Terms,
    private readonly satisfiable: Satisfiable,
  ) {
    this.destinations = new Set<number>()
    for (let pc = 0; pc < code.length; pc++) {
      const op = code[pc] as number
      if (op === 0x5b) this.destinations.add(pc)
      if (op >= 0x60 && op <= 0x7f) pc += op - 0x5f
    }
  }

  /** @param given what is known of the words beforehand, and possible */
  async run(call: Call, given: readonly string[] = []): Promise<Path[]> {
    const paths: Path[] = []
    const rest: State[] = [
      { pc: 0, stack: [], memory: [], storage: call.storage, conditions: [...given], questions: [], returned: [] },
    ]
    for (let state = rest.pop(); state !== undefined; state = rest.pop()) {
      paths.push(await this.follow(state, call, rest))
    }
    return paths
  }

  /** To the end, leaving the other side of each fork in `rest`. */
  private async follow(state: State, call: Call, rest: State[]): Promise<Path> {
    const { terms } = this
    const { stack } = state
    const pop = (): Word => {
      const word = stack.pop()
      if (word === undefined) throw new Error(`stack underflow at ${state.pc}`)
      return word
    }
    const number = (): number => {
      const word = pop()
      if (typeof word !== 'bigint' || word > 1_000_000n) throw new Error(`not a known place or length at ${state.pc}`)
      return Number(word)
    }
    const end = (kind: Path['end'], returned: readonly Byte[]): Path => {
      const { conditions, storage, questions } = state
      return { end: kind, conditions, returned, storage, questions }
    }
    for (;;) {
      const op = this.code[state.pc] ?? 0
      state.pc++
      const operation = OPERATIONS[op]
      if (operation !== undefined) {
        stack.push(terms.operation(operation, pop(), pop()))
      } else if (op >= 0x5f && op <= 0x7f) {
        const size = op - 0x5f
        const bytes = Buffer.from(this.code.subarray(state.pc, state.pc + size)).toString('hex')
        stack.push(BigInt(`0x0${bytes}`))
        state.pc += size
      } else if (op >= 0x80 && op <= 0x8f) {
        stack.push(stack[stack.length - (op - 0x7f)] as Word)
      } else if (op >= 0x90 && op <= 0x9f) {
        const [top, other] = [stack.length - 1, stack.length - 1 - (op - 0x8f)]
        ;[stack[top], stack[other]] = [stack[other] as Word, stack[top] as Word]
      } else if (op >= 0xa0 && op <= 0xa4) {
        stack.splice(stack.length - (op - 0xa0) - 2)
      } else {
        switch (op) {
          case 0x00: // STOP
            return end('return', [])
          case 0x0b: {
            // SIGNEXTEND, of what is known
            const [size, word] = [pop(), pop()]
            if (typeof size !== 'bigint' || typeof word !== 'bigint') throw new Error('SIGNEXTEND of a term')
            stack.push(BigInt.asUintN(256, BigInt.asIntN(8 * (Number(size) + 1), word)))
            break
          }
          case 0x15: // ISZERO
            stack.push(terms.isZero(pop()))
            break
          case 0x19: // NOT
            stack.push(terms.not(pop()))
            break
          case 0x1a: {
            // BYTE
            const [index, word] = [pop(), pop()]
            if (typeof index !== 'bigint' || index > 31n) throw new Error('BYTE of a term')
            stack.push(terms.operation('AND', terms.operation('SHR', 8n * (31n - index), word), 0xffn))
            break
          }
          case 0x20: // KECCAK256
            stack.push(terms.hash(read(state.memory, number(), number())))
            break
          case 0x30: // ADDRESS
            stack.push(call.to)
            break
          case 0x33: // CALLER
            stack.push(call.caller)
            break
          case 0x34: // CALLVALUE
            stack.push(0n)
            break
          case 0x35: // CALLDATALOAD
            stack.push(terms.word(read(call.data, number(), 32)))
            break
          case 0x36: // CALLDATASIZE
            stack.push(BigInt(call.data.length))
            break
          case 0x37: // CALLDATACOPY
            this.copy(state.memory, number(), call.data, number(), number())
            break
          case 0x38: // CODESIZE
            stack.push(BigInt(this.code.length))
            break
          case 0x39: // CODECOPY
            this.copy(state.memory, number(), [...this.code], number(), number())
            break
          case 0x3b: // EXTCODESIZE
            pop()
            stack.push(terms.any('size'))
            break
          case 0x3d: // RETURNDATASIZE
            stack.push(BigInt(state.returned.length))
            break
          case 0x3e: // RETURNDATACOPY
            this.copy(state.memory, number(), state.returned, number(), number())
            break
          case 0x42: // TIMESTAMP
            stack.push(call.time)
            break
          case 0x46: // CHAINID
            stack.push(CHAIN_ID)
            break
          case 0x50: // POP
            pop()
            break
          case 0x51: // MLOAD
            stack.push(terms.word(read(state.memory, number(), 32)))
            break
          case 0x52: // MSTORE
            this.copy(state.memory, number(), bytesOf(pop()), 0, 32)
            break
          case 0x53: {
            // MSTORE8
            const [place, word] = [number(), bytesOf(pop())]
            this.copy(state.memory, place, word, 31, 1)
            break
          }
          case 0x54: // SLOAD
            stack.push(terms.load(state.storage, pop()))
            break
          case 0x55: // SSTORE
            state.storage = { ...state.storage, writes: [...state.storage.writes, { slot: pop(), value: pop() }] }
            break
          case 0x56: // JUMP
            this.jump(state, number())
            break
          case 0x57: {
            // JUMPI
            const destination = number()
            const condition = pop()
            if (typeof condition === 'bigint') {
              if (condition !== 0n) this.jump(state, destination)
              break
            }
            const not = `(= ${condition.name} ${said(0n)})`
            const does = `(not ${not})`
            // This far something is possible, so if one side is not, the other is.
            if (!(await this.satisfiable([...state.conditions, does]))) {
              state.conditions.push(not)
              break
            }
            if (await this.satisfiable([...state.conditions, not])) rest.push(copyOf(state, not))
            state.conditions.push(does)
            this.jump(state, destination)
            break
          }
          case 0x5a: // GAS: what is passed on makes no difference where it has no end
            stack.push(1_000_000_000n)
            break
          case 0x5b: // JUMPDEST
            break
          case 0x5e: {
            // MCOPY
            const [to, from, size] = [number(), number(), number()]
            this.copy(state.memory, to, read(state.memory, from, size), 0, size)
            break
          }
          case 0xf3: // RETURN
            return end('return', read(state.memory, number(), number()))
          case 0xfa: {
            // STATICCALL
            pop()
            const to = pop()
            const data = read(state.memory, number(), number())
            const [place, size] = [number(), number()]
            const failed = copyOf(state)
            failed.questions.push({ to, data, answer: null })
            failed.returned = []
            failed.stack.push(0n)
            rest.push(failed)
            const answer = terms.any('answer')
            state.questions.push({ to, data, answer })
            state.returned = bytesOf(answer)
            this.copy(state.memory, place, state.returned, 0, Math.min(size, 32))
            stack.push(1n)
            break
          }
          case 0xfd: // REVERT
            return end('revert', read(state.memory, number(), number()))
          case 0xfe: // INVALID
            return end('revert', [])
          default:
            throw new Error(`instruction 0x${op.toString(16)} at ${state.pc - 1} is unknown here`)
        }
      }
    }
  }

  private jump(state: State, destination: number): void {
    if (!this.destinations.has(destination)) throw new Error(`no destination: ${destination}`)
    state.pc = destination
  }

  private copy(memory: Byte[], to: number, from: readonly Byte[], start: number, size: number): void {
    while (memory.length < to + size) memory.push(0)
    for (let i = 0; i < size; i++) memory[to + i] = from[start + i] ?? 0
  }
}

const read = (bytes: readonly Byte[], start: number, size: number): Byte[] =>
  Array.from({ length: size }, (_, i) => bytes[start + i] ?? 0)

function copyOf(state: State, ...more: string[]): State {
  return {
    ...state,
    stack: [...state.stack],
    memory: [...state.memory],
    conditions: [...state.conditions, ...more],
    questions: [...state.questions],
  }
}

/** A word as it lies in memory. */
export function bytesOf(word: Word): Byte[] {
  if (word instanceof Term) return Array.from({ length: 32 }, (_, index) => ({ word, index }))
  return [...Buffer.from(word.toString(16).padStart(64, '0'), 'hex')]
}

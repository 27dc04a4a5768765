import type { Hex } from './hex.js'

/** Bytes of initialisation code that a node takes (EIP-3860). */
const CODE_LIMIT = 49_152

/** Two bytes. */
const hex = (value: number): string => value.toString(16).padStart(4, '0')

/** Where the answers are gathered in memory; a question is copied to the beginning of it. */
const ANSWERS = '0400'

/**
 * Code that, run as the constructor of a creation in `eth_call`, asks `target` one question after the other and returns the
 * answers, 32 bytes each, all of one block. Nothing is created. README.md has what it saves over a batch of calls. The
 * calldata must all have one length, 1,024 bytes at most; a question that fails, or whose answer is not 32 bytes, fails all.
 */
export function aggregateCode(target: Hex, calldata: readonly Hex[]): Hex {
  const size = hex(((calldata[0]?.length ?? 2) - 2) / 2)
  const build = (start: number, fail: number): string =>
    [
      `61${hex(start)}61${ANSWERS}`, // PUSH2 start PUSH2 ANSWERS: [question, answer]
      '5b', // JUMPDEST at 6
      `61${size}825f39`, // PUSH2 size DUP3 PUSH0 CODECOPY: the question to memory 0
      `60208161${size}5f`, // PUSH1 32 DUP2 PUSH2 size PUSH0
      `73${target.slice(2)}5afa`, // PUSH20 target GAS STATICCALL
      `3d602014161561${hex(fail)}57`, // RETURNDATASIZE PUSH1 32 EQ AND ISZERO PUSH2 fail JUMPI
      `60200190`, // PUSH1 32 ADD SWAP1: the next answer
      `61${size}0190`, // PUSH2 size ADD SWAP1: the next question
      '81381161000657', // DUP2 CODESIZE GT PUSH2 6 JUMPI: as long as there is code
      `61${ANSWERS}900361${ANSWERS}f3`, // PUSH2 ANSWERS SWAP1 SUB PUSH2 ANSWERS RETURN
      '5b3d5f5f3e3d5ffd', // JUMPDEST at fail, RETURNDATASIZE PUSH0 PUSH0 RETURNDATACOPY RETURNDATASIZE PUSH0 REVERT
    ].join('')
  const length = build(0, 0).length / 2
  return `0x${build(length, length - 8)}${calldata.map((data) => data.slice(2)).join('')}`
}

/** The answers in what the code returned. */
export function aggregateAnswers(returned: Hex): Hex[] {
  return (returned.slice(2).match(/.{64}/g) ?? []).map((word): Hex => `0x${word}`)
}

/** Questions of `size` bytes that fit into one piece of code. */
export function aggregateLimit(size: number): number {
  return Math.floor((CODE_LIMIT - 128) / size)
}

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { TypedDataEncoder } from 'ethers'
import { describe, expect, it } from 'vitest'
import { bindings } from '../../src/ledger/bindings.mjs'
import { CONTRACT_NAMES, interfaceOf } from '../../src/ledger/contracts.js'
import { REFUSALS } from '../../src/ledger/refusal.js'
import { SIGNED_ACTIONS, typesOf } from '../../src/ledger/typed-data.js'

function solidity(folder = 'contracts'): string {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.sol'))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
    .join('\n')
}

describe('the bindings', () => {
  it('are those of the contracts: after a change run npm run generate:contracts && node src/ledger/bindings.mjs', async () => {
    expect(readFileSync('src/ledger/abi.ts', 'utf8')).toBe(await bindings())
  })

  it('say what every custom error means, and no other', () => {
    const errors = new Set<string>()
    for (const name of CONTRACT_NAMES) interfaceOf(name).forEachError((error) => errors.add(error.name))
    expect(Object.keys(REFUSALS).sort()).toEqual([...errors].sort())
  })

  it('sign exactly the EIP-712 types that the contracts hash', () => {
    const hashed = [...solidity().matchAll(/keccak256\(\s*"(\w+\([^"]*)"/g)].map((match) => match[1])
    const ours = SIGNED_ACTIONS.map((action) => TypedDataEncoder.from(typesOf(action)).encodeType(action))
    expect([...new Set(hashed)].sort()).toEqual([...ours].sort())
  })
})

import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const FOLDER = fileURLToPath(new URL('../../contracts/interfaces', import.meta.url))
const DECLARATION = /^\s*(function|event|error|struct|enum|interface)\s+(\w+)/
const NOTICE = /^\s*\/\/\/\s*@(?:notice|title)\s+\S/

/** Declarations of a Solidity source whose own block of `///` lines has no `@notice` (a `@title` for the interface). */
function silent(source: string): string[] {
  const lines = source.split('\n')
  return lines.flatMap((line, at) => {
    const [, kind, name] = DECLARATION.exec(line) ?? []
    if (kind === undefined || name === undefined) return []
    let from = at
    while (from > 0 && /^\s*\/\/\//.test(lines[from - 1] ?? '')) from--
    return lines.slice(from, at).some((comment) => NOTICE.test(comment)) ? [] : [`${kind} ${name}`]
  })
}

describe('natspec of the interfaces of the contracts, which are the specification', () => {
  const files = readdirSync(FOLDER).filter((file) => file.endsWith('.sol'))

  it('finds the interfaces', () => {
    expect(files).toEqual(expect.arrayContaining(['IConsentRegistry.sol', 'IIdentityRegistry.sol']))
  })

  it.each(files)('%s says of every declaration what a caller needs, or the declaration is named here', (file) => {
    expect(silent(readFileSync(`${FOLDER}/${file}`, 'utf8'))).toEqual([])
  })

  it.each([
    ['nothing at all', '', ['error Loud']],
    ['a comment that is no natspec', '    // @notice Not for callers.\n', ['error Loud']],
    ['parameters alone', '    /// @param by Whom.\n', ['error Loud']],
    ['an empty notice', '    /// @notice\n', ['error Loud']],
    ['the notice of another declaration', '    /// @notice Said.\n\n', ['error Loud']],
    ['a notice', '    /// @notice Said.\n    /// @param by Whom.\n', []],
  ])('does not let pass, or lets pass: %s', (_, comment, found) => {
    expect(silent(`${comment}    error Loud(address by);`)).toEqual(found)
  })
})

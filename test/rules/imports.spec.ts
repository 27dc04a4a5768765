import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Each breaks one rule: file, what it imports, the rule. */
const FORBIDDEN: [from: string, to: string, rule: string][] = [
  ['src/http/a.ts', '../records/rows.js', 'http-imports-downward'],
  ['src/http/b.ts', '../config.js', 'http-imports-downward'],
  ['src/graphql/a.ts', '../vault/open.js', 'graphql-imports-downward'],
  ['src/gateway/a.ts', '../http/edge.js', 'gateway-imports-downward'],
  ['src/exchange/a.ts', '../gateway/read.js', 'exchange-imports-downward'],
  ['src/audit/a.ts', '../exchange/feed.js', 'audit-imports-downward'],
  ['src/auth/a.ts', '../records/rows.js', 'auth-imports-downward'],
  ['src/consent/a.ts', '../vault/open.js', 'consent-imports-downward'],
  ['src/fhir/a.ts', '../records/rows.js', 'fhir-imports-downward'],
  ['src/records/a.ts', '../consent/permit.js', 'records-imports-downward'],
  ['src/clauses/a.ts', '../records/rows.js', 'clauses-imports-downward'],
  ['src/ledger/a.ts', '../records/rows.js', 'ledger-imports-downward'],
  ['src/proxy/a.ts', '../vault/open.js', 'proxy-imports-downward'],
  ['src/vault/a.ts', '../consent/decide.js', 'vault-imports-permit-only'],
  ['src/vault/b.ts', '../records/rows.js', 'vault-imports-permit-only'],
  ['src/vault/pre/a.ts', '../open.js', 'umbral-stands-alone'],
  ['src/vault/pre/b.ts', 'node:fs', 'umbral-stands-alone'],
  ['src/cli/a.ts', '../main.js', 'composition-root-is-the-top'],
  ['src/cli/b.ts', '../composition/storage.js', 'composition-belongs-to-its-root'],
  ['src/records/b.ts', '../../test/support/x.js', 'no-import-from-tests'],
]
const ALLOWED: [from: string, to: string][] = [
  ['src/http/ok.ts', '../gateway/read.js'],
  ['src/http/ok2.ts', '../auth/principal.js'],
  ['src/http/ok3.ts', '../errors.js'],
  ['src/gateway/ok.ts', '../records/rows.js'],
  ['src/records/ok.ts', '../clauses/clause.js'],
  ['src/fhir/ok.ts', '../clauses/clause.js'],
  ['src/gateway/ok2.ts', '../vault/open.js'],
  ['src/vault/ok.ts', '../consent/permit.js'],
  ['src/vault/pre/ok.ts', '../../errors.js'],
  ['src/proxy/ok.ts', '../vault/pre/curve.js'],
  ['src/consent/ok.ts', '../ledger/chain.js'],
  ['src/app.module.ts', './http/edge.js'],
  ['src/cli/ok.ts', '../config.js'],
  ['src/app.module.ts', './composition/storage.js'],
  ['src/composition/ok.ts', '../http/edge.js'],
]
const TARGETS = [
  'src/clauses/clause.ts',
  'src/records/rows.ts',
  'src/config.ts',
  'src/errors.ts',
  'src/main.ts',
  'src/vault/open.ts',
  'src/vault/pre/curve.ts',
  'src/http/edge.ts',
  'src/gateway/read.ts',
  'src/exchange/feed.ts',
  'src/consent/permit.ts',
  'src/consent/decide.ts',
  'src/auth/principal.ts',
  'src/ledger/chain.ts',
  'src/composition/storage.ts',
  'test/support/x.ts',
]

interface Violation {
  from: string
  to: string
  rule: { name: string }
}

describe('the import rules', () => {
  let tree: string
  let violations: Violation[]

  beforeAll(() => {
    tree = mkdtempSync(join(tmpdir(), 'consentry-imports-'))
    const write = (file: string, text: string) => {
      mkdirSync(dirname(join(tree, file)), { recursive: true })
      writeFileSync(join(tree, file), text)
    }
    write('tsconfig.json', JSON.stringify({ compilerOptions: { module: 'nodenext', target: 'ES2024' } }))
    for (const target of TARGETS) write(target, 'export const x = 1\n')
    // Alternately values and types: a type is a dependency too.
    for (const [i, [from, to]] of [...FORBIDDEN, ...ALLOWED].entries())
      write(
        from,
        i % 2 === 0
          ? `import { x } from '${to}'\nexport const y = x\n`
          : `import type { x } from '${to}'\nexport type Y = typeof x\n`,
      )
    write('src/fhir/round.ts', `import { y } from './about.js'\nexport const x = () => y\n`)
    write('src/fhir/about.ts', `import { x } from './round.js'\nexport const y = () => x\n`)
    const { stdout } = spawnSync(
      join(root, 'node_modules/.bin/depcruise'),
      ['--config', join(root, '.dependency-cruiser.cjs'), '--output-type', 'json', 'src'],
      { cwd: tree, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
    )
    violations = (JSON.parse(stdout) as { summary: { violations: Violation[] } }).summary.violations
  })
  afterAll(() => rmSync(tree, { recursive: true }))

  it.each(FORBIDDEN)('forbid that %s imports %s', (from, _to, rule) => {
    expect(violations.filter((violation) => violation.from === from).map((violation) => violation.rule.name)).toContain(
      rule,
    )
  })

  it('forbid circles', () => {
    const circles = violations.filter(({ rule }) => rule.name === 'no-circle')
    expect(circles.map(({ from }) => from)).toEqual([expect.stringMatching(/^src\/fhir\/(round|about)\.ts$/)])
  })

  it.each(ALLOWED)('allow that %s imports %s', (from) => {
    expect(violations.filter((violation) => violation.from === from)).toEqual([])
  })
})

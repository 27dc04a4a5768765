import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ConfigurationError, readConfig } from '../src/config.js'

const problems = (environment: Record<string, string>): readonly string[] => {
  try {
    readConfig(environment)
    return []
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems
    throw error
  }
}

describe('the configuration', () => {
  it('needs nothing', () => {
    expect(readConfig({})).toMatchObject({
      host: '127.0.0.1',
      port: 8080,
      publicUrl: null,
      dataDirectory: resolve('.consentry'),
      databaseUrl: null,
      statementSeconds: 60,
      ethRpcUrl: null,
      ipfsApiUrl: null,
      limits: { bodyBytes: 16 * 1024 * 1024 },
      chain: { grantFinality: 'latest' },
      auth: { issuerUrl: null, tokenSeconds: 300 },
      corsOrigins: ['*'],
    })
  })

  it('takes an empty variable for an absent one', () => {
    expect(readConfig({ PORT: '', DATABASE_URL: '' })).toMatchObject({ port: 8080, databaseUrl: null })
  })

  it('reads every variable', () => {
    const config = readConfig({
      HOST: '::',
      PORT: '0',
      PUBLIC_URL: 'https://fhir.example.org/',
      DATABASE_URL: 'postgres://u:p@h/db',
      ETH_RPC_URL: 'ws://127.0.0.1:8545',
      IPFS_API_URL: 'http://127.0.0.1:5001/',
      CORS_ORIGINS: 'https://a.example, https://b.example',
      NODE_ENV: 'production',
      CONSENTRY_PASSPHRASE: 'correct horse battery staple',
    })
    expect(config).toMatchObject({
      host: '::',
      port: 0,
      publicUrl: 'https://fhir.example.org',
      ipfsApiUrl: 'http://127.0.0.1:5001',
      corsOrigins: ['https://a.example', 'https://b.example'],
      // A real chain has forks: grants wait for finality unless told otherwise.
      chain: { grantFinality: 'finalized' },
      logLevel: 'info',
    })
  })

  it.each([
    [{ PORT: '70000' }, /^PORT is out of range; expected a whole number from 0 to 65535\.$/],
    [{ PORT: '80a' }, /^PORT is not usable; expected a whole number/],
    [{ PORT: '-1' }, /^PORT /],
    [{ HOST: 'a b' }, /^HOST /],
    [{ PUBLIC_URL: 'fhir.example.org' }, /^PUBLIC_URL .* expected a URL such as https:/],
    [{ PUBLIC_URL: 'https://example.org/fhir' }, /^PUBLIC_URL has more than scheme/],
    [{ DATABASE_URL: 'mysql://h/db' }, /^DATABASE_URL .*postgres:/],
    [{ ETH_RPC_URL: 'ftp://h' }, /^ETH_RPC_URL/],
    [{ IPFS_API_URL: '/ip4/127.0.0.1/tcp/5001' }, /^IPFS_API_URL/],
    [{ GRANT_FINALITY: 'soon' }, /^GRANT_FINALITY .* one of latest, safe, finalized/],
    [{ FHIR_PROFILES: 'us-core-patient' }, /^FHIR_PROFILES has an unusable item; expected the canonical URL/],
    [{ UNKNOWN_PROFILES: 'maybe' }, /^UNKNOWN_PROFILES .* one of ignore, warning, error/],
    [{ TERMINOLOGY_URL: 'tx.example.org' }, /^TERMINOLOGY_URL /],
    [{ TERMINOLOGY_TIMEOUT_MS: '1' }, /^TERMINOLOGY_TIMEOUT_MS is out of range/],
    [{ TRUST_PROXY: 'yes' }, /^TRUST_PROXY .* true or false/],
    [{ TOKEN_SECONDS: '301' }, /^TOKEN_SECONDS is out of range/],
    [{ PAGE_SIZE: '2000' }, /^PAGE_SIZE is larger than MAX_PAGE_SIZE/],
    [{ ISSUER_JWKS_URL: 'https://x.example/jwks' }, /^ISSUER_URL is missing/],
    [{ CORS_ORIGINS: 'https://a.example/path' }, /^CORS_ORIGINS has an unusable item/],
    [{ CONSENTRY_PASSPHRASE: 'short' }, /^CONSENTRY_PASSPHRASE .* at least 12/],
    [{ NODE_ENV: 'production' }, /^CONSENTRY_PASSPHRASE is missing although NODE_ENV=production/],
    [{ CONSENTRY_DATE: 'x' }, /^CONSENTRY_DATE is not a variable of this program; expected .*CONSENTRY_DATA/],
  ])('%j is refused by name', (environment, words) => {
    expect(problems(environment)).toEqual([expect.stringMatching(words)])
  })

  it('names everything that is wrong at once, and no value', () => {
    const found = problems({ PORT: 'x', DATABASE_URL: 'secret-password', CONSENTRY_PASSPHRASE: 'secret' })
    expect(found).toHaveLength(3)
    expect(found.join()).not.toContain('secret')
  })

  it('is described in the README, variable by variable', () => {
    const source = readFileSync(new URL('../src/config.ts', import.meta.url), 'utf8')
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
    const names = [...source.matchAll(/read\.\w+\(\s*'([A-Z_]+)'/g)].map(([, name]) => name)
    expect(names.length).toBeGreaterThan(20)
    for (const name of names) expect(readme).toContain(`\`${name}\``)
  })
})

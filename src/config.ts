import { resolve } from 'node:path'
import { type Deployment, type Environment, Reader } from './environment.js'

export { ConfigurationError, type Deployment } from './environment.js'

/**
 * The whole configuration, read once from the environment and checked before anything starts. This module is the
 * only reader of `process.env`; everything else gets its values handed in. README "Configuration" lists the variables.
 */
export interface Config {
  /** Address to listen on; loopback unless told otherwise. */
  readonly host: string
  /** 0 takes any free port. */
  readonly port: number
  /** Scheme and authority as clients see the server, no slash at the end. Null: follows host and port. */
  readonly publicUrl: string | null
  readonly dataDirectory: string
  /** Null: PGlite in the data directory. */
  readonly databaseUrl: string | null
  /** After which a statement of PostgreSQL is given up. */
  readonly statementSeconds: number
  /** Null: anvil with its state in the data directory. */
  readonly ethRpcUrl: string | null
  /** Null: the local block store in the data directory. */
  readonly ipfsApiUrl: string | null
  /** Opens the keystore. Null: a random one kept beside it, readable by the owner only (refused in production). */
  readonly keystorePassphrase: string | null
  readonly limits: {
    /** Bytes of a request body after decompression. */
    readonly bodyBytes: number
    readonly bundleEntries: number
    /** `_count` when the client names none, and the most it may ask for. */
    readonly pageDefault: number
    readonly pageMaximum: number
    /** Matches that a search counts if nobody asks for the total; of more it tells none. */
    readonly counted: number
    /** Resources that includes may add to a page. */
    readonly included: number
    /** Steps of `:iterate`. */
    readonly includeRounds: number
    /** References of a chain. */
    readonly chain: number
    /** Requests per second and client on average, and in one burst. */
    readonly ratePerSecond: number
    readonly rateBurst: number
  }
  /** Re-encryption proxies that are started beside an embedded chain, each as a process of its own. */
  readonly embeddedProxies: number
  /** Contracts of a consortium that exist already. Null: ours, deployed at the first start. */
  readonly deployment: Deployment | null
  readonly chain: {
    /** Deny everything once the chain node has not confirmed its head for so long. */
    readonly freshnessSeconds: number
    /** Block tag from which on a grant counts; revocations count at `latest`. */
    readonly grantFinality: 'latest' | 'safe' | 'finalized'
    /** `mirror`: as the mirror of the ledger says, within the freshness limit; `chain`: the contract is asked at every decision too. */
    readonly consentMode: 'mirror' | 'chain'
    /** What holds for new patients who have said nothing: `opt-in`: nothing is shared; `opt-out`: what is not sensitive is, with every active entity. */
    readonly implicitPolicy: 'opt-in' | 'opt-out'
  }
  readonly auth: {
    /** An external issuer of access tokens. Null: the embedded authorization server under /oauth. */
    readonly issuerUrl: string | null
    /** Null: found through the issuer's discovery document. */
    readonly jwksUrl: string | null
    /** Expected `aud`. Null: the FHIR base URL. */
    readonly audience: string | null
    /** Life of an access token of the embedded server; SMART Backend Services allows 300 at most. */
    readonly tokenSeconds: number
  }
  readonly conformance: {
    /** A folder of FHIR packages, `.tgz` or unpacked. Null: our own profiles and R4's only. */
    readonly packages: string | null
    /** Canonicals of profiles that every resource of their type must conform to. */
    readonly profiles: readonly string[]
    /** What it means that a resource claims a profile that is not loaded. */
    readonly unknownProfiles: 'ignore' | 'warning' | 'error'
    /** A terminology server for what is not loaded. Null: that stays unknown. */
    readonly terminologyUrl: string | null
    readonly terminologyTimeoutMs: number
  }
  readonly emergency: {
    /** How often one person may break the glass in 24 hours; the contract limits the entity besides. */
    readonly perPerson: number
    /** Hours after which the review of an emergency access is overdue. */
    readonly reviewHours: number
  }
  /** Words of narratives, or of whole resources, that are indexed for `_text` and `_content`. */
  readonly fullTextIndex: 'none' | 'narrative' | 'content'
  /** Origins of browser applications, `*` for any (tokens travel in a header, never in cookies). */
  readonly corsOrigins: readonly string[]
  /** Let clients read the GraphQL schema (that of FHIR R4). */
  readonly graphqlIntrospection: boolean
  /** Believe X-Forwarded-For: only behind a proxy that sets it. */
  readonly trustProxy: boolean
  readonly logLevel: 'silent' | 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace'
  /** How long requests in flight may take after a signal before they are cut off. */
  readonly drainSeconds: number
  readonly production: boolean
}

const MEBIBYTE = 1024 * 1024
const CONSENT_MODES = ['mirror', 'chain'] as const
const IMPLICIT_POLICIES = ['opt-in', 'opt-out'] as const
const FINALITIES = ['latest', 'safe', 'finalized'] as const
const UNKNOWN_PROFILES = ['ignore', 'warning', 'error'] as const
const FULL_TEXT = ['none', 'narrative', 'content'] as const
const LOG_LEVELS = ['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const

/** Reads and checks every variable; throws one ConfigurationError that names all that are wrong. */
export function readConfig(environment: Environment = process.env): Config {
  const read = new Reader(environment)
  const production = environment['NODE_ENV'] === 'production'
  const ethRpcUrl = read.url('ETH_RPC_URL', ['http:', 'https:', 'ws:', 'wss:'], 'ws://127.0.0.1:8545')
  const config: Config = {
    host: read.text('HOST', /^[A-Za-z0-9.:_-]+$/, 'an address such as 127.0.0.1 or ::') ?? '127.0.0.1',
    port: read.integer('PORT', 8080, 0, 65_535),
    publicUrl: read.origin('PUBLIC_URL'),
    dataDirectory: resolve(read.text('CONSENTRY_DATA', /^[^\0]+$/, 'a directory') ?? '.consentry'),
    databaseUrl: read.url('DATABASE_URL', ['postgres:', 'postgresql:'], 'postgres://user@host:5432/consentry'),
    statementSeconds: read.integer('STATEMENT_SECONDS', 60, 1, 3_600),
    ethRpcUrl,
    ipfsApiUrl: read.url('IPFS_API_URL', ['http:', 'https:'], 'http://127.0.0.1:5001'),
    keystorePassphrase: read.text('CONSENTRY_PASSPHRASE', /^.{12,1024}$/su, 'at least 12 characters'),
    limits: {
      bodyBytes: read.integer('MAX_BODY_BYTES', 16 * MEBIBYTE, 1024, 1024 * MEBIBYTE),
      bundleEntries: read.integer('MAX_BUNDLE_ENTRIES', 10_000, 1, 1_000_000),
      pageDefault: read.integer('PAGE_SIZE', 50, 1, 10_000),
      pageMaximum: read.integer('MAX_PAGE_SIZE', 1000, 1, 10_000),
      counted: read.integer('MAX_COUNTED', 1000, 0, 1_000_000_000),
      included: read.integer('MAX_INCLUDED', 1000, 0, 10_000),
      includeRounds: read.integer('MAX_INCLUDE_ROUNDS', 4, 1, 10),
      chain: read.integer('MAX_CHAIN', 5, 1, 10),
      ratePerSecond: read.integer('RATE_PER_SECOND', 5000, 1, 1_000_000),
      rateBurst: read.integer('RATE_BURST', 10_000, 1, 10_000_000),
    },
    embeddedProxies: read.integer('EMBEDDED_PROXIES', 3, 0, 9),
    deployment: read.deployment('LEDGER_DEPLOYMENT'),
    chain: {
      freshnessSeconds: read.integer('FRESHNESS_SECONDS', 60, 1, 86_400),
      consentMode: read.choice('CONSENT_MODE', CONSENT_MODES, 'mirror'),
      implicitPolicy: read.choice('IMPLICIT_POLICY', IMPLICIT_POLICIES, 'opt-in'),
      grantFinality: read.choice('GRANT_FINALITY', FINALITIES, ethRpcUrl === null ? 'latest' : 'finalized'),
    },
    auth: {
      issuerUrl: read.url('ISSUER_URL', ['http:', 'https:'], 'https://login.example.org'),
      jwksUrl: read.url('ISSUER_JWKS_URL', ['http:', 'https:'], 'https://login.example.org/jwks'),
      audience: read.text('TOKEN_AUDIENCE', /^\S+$/, 'the audience that the issuer writes into tokens'),
      tokenSeconds: read.integer('TOKEN_SECONDS', 300, 10, 300),
    },
    conformance: {
      packages: read.text('FHIR_PACKAGES', /^[^\0]+$/, 'a directory'),
      profiles: read.list('FHIR_PROFILES', /^[a-z]+:\S+$/, 'the canonical URL of a profile', []),
      unknownProfiles: read.choice('UNKNOWN_PROFILES', UNKNOWN_PROFILES, 'warning'),
      terminologyUrl: read.url('TERMINOLOGY_URL', ['http:', 'https:'], 'https://tx.example.org/r4'),
      terminologyTimeoutMs: read.integer('TERMINOLOGY_TIMEOUT_MS', 2_000, 50, 60_000),
    },
    emergency: {
      perPerson: read.integer('EMERGENCY_PER_PERSON', 8, 1, 24),
      reviewHours: read.integer('EMERGENCY_REVIEW_HOURS', 72, 1, 8_760),
    },
    fullTextIndex: read.choice('FULL_TEXT_INDEX', FULL_TEXT, 'none'),
    corsOrigins: read.list('CORS_ORIGINS', /^(\*|https?:\/\/[^/\s]+)$/, '* or https://app.example.org', ['*']),
    graphqlIntrospection: read.flag('GRAPHQL_INTROSPECTION', true),
    trustProxy: read.flag('TRUST_PROXY', false),
    logLevel: read.choice('LOG_LEVEL', LOG_LEVELS, production ? 'info' : 'warn'),
    drainSeconds: read.integer('DRAIN_SECONDS', 25, 0, 600),
    production,
  }
  if (config.limits.pageDefault > config.limits.pageMaximum)
    read.problem('PAGE_SIZE', 'is larger than MAX_PAGE_SIZE', 'at most MAX_PAGE_SIZE')
  if (config.auth.jwksUrl !== null && config.auth.issuerUrl === null)
    read.problem('ISSUER_URL', 'is missing although ISSUER_JWKS_URL is set', 'the issuer of those keys')
  if (production && config.keystorePassphrase === null)
    read.problem('CONSENTRY_PASSPHRASE', 'is missing although NODE_ENV=production', 'at least 12 characters')
  read.finish()
  return config
}

/** Configuration of a proxy process (src/proxy). */
export interface ProxyConfig {
  readonly host: string
  readonly port: number
  /** How others reach it; null: as it listens. */
  readonly publicUrl: string | null
  readonly dataDirectory: string
  readonly ethRpcUrl: string
  readonly deployment: Deployment
  readonly passphrase: string
}

/** Reads and checks the variables of a proxy; nothing has a default that another owner should choose. */
export function readProxyConfig(environment: Environment = process.env): ProxyConfig {
  const read = new Reader(environment)
  const required = <T>(name: string, value: T | null, right: string): T => {
    if (value === null) read.problem(name, 'is missing', right)
    return value as T
  }
  const config = {
    host: read.text('HOST', /^[A-Za-z0-9.:_-]+$/, 'an address such as 127.0.0.1 or ::') ?? '127.0.0.1',
    port: read.integer('PORT', 9000, 0, 65_535),
    publicUrl: read.origin('PUBLIC_URL'),
    dataDirectory: resolve(read.text('CONSENTRY_DATA', /^[^\0]+$/, 'a directory') ?? '.consentry-proxy'),
    ethRpcUrl: required(
      'ETH_RPC_URL',
      read.url('ETH_RPC_URL', ['http:', 'https:', 'ws:', 'wss:'], 'ws://127.0.0.1:8545'),
      'the URL of the proxy’s own Ethereum node',
    ),
    deployment: required(
      'LEDGER_DEPLOYMENT',
      read.deployment('LEDGER_DEPLOYMENT'),
      'the content of deployment.json of whoever deployed the contracts',
    ),
    passphrase: required(
      'CONSENTRY_PASSPHRASE',
      read.text('CONSENTRY_PASSPHRASE', /^.{12,1024}$/su, 'at least 12 characters'),
      'at least 12 characters',
    ),
  }
  read.finish()
  return config
}

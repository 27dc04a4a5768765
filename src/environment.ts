/** The form of `deployment.json` in the data directory that deployed the contracts. */
export interface Deployment {
  readonly chainId: number
  readonly block: number
  readonly addresses: Readonly<
    Record<'IdentityRegistry' | 'ConsentRegistry' | 'RecordAnchors' | 'AuditLog' | 'ProxyRegistry', `0x${string}`>
  >
}

export type Environment = Readonly<Record<string, string | undefined>>

/** One line per wrong variable: its name, what is wrong, what would be right. Never the value: it may be a secret. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError'
  constructor(readonly problems: readonly string[]) {
    super(['The configuration is not usable:', ...problems.map((problem) => `  ${problem}`)].join('\n'))
  }
}

/** Collects what is wrong, so that one start names everything. An empty variable counts as absent. */
export class Reader {
  readonly #problems: string[] = []
  readonly #known = new Set<string>()

  constructor(private readonly environment: Environment) {}

  problem(name: string, wrong: string, right: string): void {
    this.#problems.push(`${name} ${wrong}; expected ${right}.`)
  }

  text(name: string, form: RegExp, right: string): string | null {
    this.#known.add(name)
    const value = this.environment[name]
    if (value === undefined || value === '') return null
    if (form.test(value)) return value
    this.problem(name, 'is not usable', right)
    return null
  }

  integer(name: string, fallback: number, least: number, most: number): number {
    const right = `a whole number from ${least} to ${most}`
    const value = this.text(name, /^\d{1,15}$/, right)
    if (value === null) return fallback
    const number = Number(value)
    if (number < least || number > most) this.problem(name, 'is out of range', right)
    return number
  }

  flag(name: string, fallback: boolean): boolean {
    const value = this.text(name, /^(true|false)$/, 'true or false')
    return value === null ? fallback : value === 'true'
  }

  choice<T extends string>(name: string, choices: readonly T[], fallback: T): T {
    const value = this.text(name, /^/, '')
    if (value === null) return fallback
    const choice = choices.find((candidate) => candidate === value)
    if (choice === undefined) this.problem(name, 'is not one of the choices', `one of ${choices.join(', ')}`)
    return choice ?? fallback
  }

  list(name: string, each: RegExp, right: string, fallback: readonly string[]): readonly string[] {
    const value = this.text(name, /^/, '')
    if (value === null) return fallback
    const items = value.split(',').map((item) => item.trim())
    if (!items.every((item) => each.test(item))) this.problem(name, 'has an unusable item', `${right}, comma-separated`)
    return items
  }

  deployment(name: string): Deployment | null {
    const value = this.text(name, /^/, '')
    if (value === null) return null
    try {
      const { chainId, block, addresses } = JSON.parse(value) as Deployment
      const names = ['IdentityRegistry', 'ConsentRegistry', 'RecordAnchors', 'AuditLog', 'ProxyRegistry'] as const
      const known = names.every((contract) => /^0x[0-9a-fA-F]{40}$/.test(addresses[contract]))
      if (known && Number.isInteger(chainId) && Number.isInteger(block)) return { chainId, block, addresses }
    } catch {
      // told below
    }
    this.problem(name, 'is not usable', 'the content of deployment.json of whoever deployed the contracts')
    return null
  }

  url(name: string, protocols: readonly string[], example: string): string | null {
    const value = this.text(name, /^/, '')
    if (value === null) return null
    const parsed = URL.parse(value)
    if (parsed !== null && protocols.includes(parsed.protocol)) return value.replace(/\/+$/, '')
    this.problem(name, 'is not a usable URL', `a URL such as ${example}`)
    return null
  }

  origin(name: string): string | null {
    const value = this.url(name, ['http:', 'https:'], 'https://fhir.example.org')
    if (value === null) return null
    const { origin, pathname, search, hash, username } = new URL(value)
    if (pathname === '/' && search === '' && hash === '' && username === '') return origin
    this.problem(name, 'has more than scheme, host and port', 'a URL such as https://fhir.example.org')
    return null
  }

  /** A misspelt name of ours would be silently without effect, so it is refused too. */
  finish(): void {
    for (const name of Object.keys(this.environment))
      if (name.startsWith('CONSENTRY_') && !this.#known.has(name))
        this.problem(
          name,
          'is not a variable of this program',
          [...this.#known].filter((known) => known.startsWith('CONSENTRY_')).join(' or '),
        )
    if (this.#problems.length > 0) throw new ConfigurationError(this.#problems)
  }
}

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { BREAK_GLASS_SCOPE, PRIVACY_SCOPE } from '../../../src/auth/own-scopes.js'
import { WALLET_SCOPE } from '../../../src/auth/wallet-scope.js'
import { requestToken } from '../../../src/cli/access-token.js'
import type { Hex } from '../../../src/ledger/hex.js'
import type { ConsentGateway } from '../consent-gateway.js'
import type { Ask } from './asking.js'

/** What a caller was told: everything that could tell something, without what differs from one answer to the next anyhow. */
export interface Told {
  readonly status: number
  /** Status line, headers and body of each page, as they were. */
  readonly raw: string
  /** The same, to be compared. */
  readonly said: string
  /** Statements that were sent to the database for it, and places where it can be stopped, as instrument.mjs counts them. */
  readonly statements: number
  readonly turns: number
}

const SCOPES = ['system/*.cruds', WALLET_SCOPE, BREAK_GLASS_SCOPE, PRIVACY_SCOPE].join(' ')
/** A token lives for five minutes, and a busy machine may take longer. */
const FRESH_MS = 120_000
const MOST_PAGES = 200

/** Everybody who asks: clients of other entities, registered in the operator's file, and those of the gateway itself. */
export class Callers {
  readonly #tokens = new Map<string, { readonly token: string; readonly at: number }>()
  #key: JWK | undefined
  #entities: Readonly<Record<string, Hex>> = {}

  constructor(private readonly gateway: ConsentGateway) {}

  /** A client for each entity, all of the same key. */
  async register(entities: Readonly<Record<string, Hex>>): Promise<void> {
    const { privateKey } = await generateKeyPair('ES384', { extractable: true })
    this.#key = { ...(await exportJWK(privateKey)), kid: 'caller', alg: 'ES384', use: 'sig' }
    this.#entities = entities
    const { d: _, ...publicKey } = this.#key
    const clients = Object.entries(entities).map(([name, entity]) => ({
      id: idOf(name),
      entity,
      scopes: SCOPES,
      role: 'system',
      purposes: ['TREAT'],
      jwks: { keys: [publicKey] },
    }))
    await writeFile(join(this.gateway.data, 'clients.json'), JSON.stringify(clients))
  }

  async token(name: string): Promise<string> {
    const known = this.#tokens.get(name)
    if (known !== undefined && performance.now() - known.at < FRESH_MS) return known.token
    const token = this.#entities[name] === undefined ? await this.gateway.token(name) : await this.#issued(name)
    this.#tokens.set(name, { token, at: performance.now() })
    return token
  }

  async #issued(name: string): Promise<string> {
    const asked = { baseUrl: this.gateway.fhir, clientId: idOf(name), privateKey: this.#key as JWK, scope: SCOPES }
    return (await requestToken({ ...asked, purposes: ['TREAT'] })).accessToken
  }

  /** @param instructions to instrument.mjs */
  async ask(name: string, ask: Ask, instructions: Readonly<Record<string, string>> = {}): Promise<Told> {
    const pages: string[] = []
    let statements = 0
    let turns = 0
    let status = 0
    let url: string | undefined = this.#url(ask.path)
    for (let page = 0; url !== undefined && page < (ask.pages === true ? MOST_PAGES : 1); page++) {
      const response: Response = await fetch(url, {
        method: ask.method,
        redirect: 'manual',
        headers: {
          authorization: `Bearer ${await this.token(name)}`,
          'x-request-id': 'the-same',
          ...(ask.body === undefined ? {} : { 'content-type': 'application/fhir+json' }),
          ...ask.headers,
          ...instructions,
        },
        ...(ask.body === undefined ? {} : { body: typeof ask.body === 'string' ? ask.body : JSON.stringify(ask.body) }),
      })
      const text = await response.text()
      const headers = [...response.headers].filter(([header]) => !VOLATILE_HEADERS.has(header))
      const length = text === '' ? `content-length: ${response.headers.get('content-length')}` : ''
      status = response.status
      statements += Number(response.headers.get('x-statements'))
      turns += Number(response.headers.get('x-turns'))
      pages.push(
        [`${status} ${response.statusText}`, ...headers.map((pair) => pair.join(': ')), length, text].join('\n'),
      )
      url = ask.pages === true ? next(text) : undefined
    }
    const raw = pages.join('\n')
    return { status, raw, said: steady(raw), statements, turns }
  }

  #url(path: string): string {
    if (path.startsWith('http')) return path
    return path.startsWith('origin:')
      ? `${new URL(this.gateway.fhir).origin}${path.slice(7)}`
      : `${this.gateway.fhir}${path}`
  }
}

const idOf = (name: string): string => name.replaceAll(' ', '-')
/** The length of what has a cursor in it says how long the cursor is, which is sealed and filled up; where there is a text it is compared itself. */
const VOLATILE_HEADERS: ReadonlySet<string> = new Set(['date', 'x-statements', 'x-turns', 'content-length'])

function next(text: string): string | undefined {
  if (!text.startsWith('{')) return undefined
  const { link = [] } = JSON.parse(text) as { link?: readonly { readonly relation: string; readonly url: string }[] }
  return link.find(({ relation }) => relation === 'next')?.url
}

/** Sealed cursors, names of documents that are not kept, and when they were made. */
function steady(raw: string): string {
  return raw
    .replaceAll(/_cursor=[\w.~%-]+/g, '_cursor=…')
    .replaceAll(/"next":"[^"]+"/g, '"next":"…"')
    .replaceAll(/"timestamp":"[^"]+"/g, '"timestamp":"…"')
    .replaceAll(/urn:uuid:[0-9a-f-]{36}/g, 'urn:uuid:…')
}

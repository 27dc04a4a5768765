import { setTimeout as sleep } from 'node:timers/promises'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { DemoClient } from '../../embedded/demo-clients.js'
import { RUNNING_FILE, type RunningGateway } from '../../embedded/running.js'
import { type AccessToken, requestToken } from '../access-token.js'

export interface Answer {
  readonly status: number
  readonly body: Buffer
  /** Seconds, 0 when the server named none. */
  readonly retryAfter: number
}

export interface GatewayClientOptions {
  /** FHIR base; without it the one that the data directory's running gateway announces. */
  readonly url: string | undefined
  readonly dataDirectory: string
  readonly client: DemoClient
  /** How long to wait for a gateway that does not answer, or has no capacity, milliseconds. */
  readonly patienceMs: number
}

/** The connection ended without an answer: nobody knows whether the request was carried out. */
export class OutcomeUnknown extends Error {}

/** Longest pause between attempts, milliseconds. */
const LONGEST_PAUSE = 10_000
const TOKEN_MARGIN = 45_000

/** Talks to one gateway, whatever its address and token are at the moment. */
export class GatewayClient {
  #token: Promise<AccessToken> | null = null
  #running: Promise<RunningGateway> | null = null

  constructor(private readonly options: GatewayClientOptions) {}

  /** Process id of the gateway, `null` where only its URL is known. */
  async pid(): Promise<number | null> {
    return this.options.url === undefined ? (await this.#gateway()).pid : null
  }

  async baseUrl(): Promise<string> {
    return this.options.url?.replace(/\/$/, '') ?? (await this.#gateway()).fhirUrl
  }

  /** Reads; tries again for as long as patience lasts. */
  async get(path: string): Promise<Answer> {
    return this.#patiently([401, 429, 503], () => this.#send('GET', path))
  }

  /**
   * Posts to the base; tries again only what was certainly not carried out, so a 503 is for the caller to judge.
   * @throws OutcomeUnknown when the connection breaks after the request was sent
   */
  async post(bundle: string): Promise<Answer> {
    return this.#patiently([401, 429], () => this.#send('POST', '', bundle))
  }

  async #patiently(again: readonly number[], ask: () => Promise<Answer>): Promise<Answer> {
    const until = Date.now() + this.options.patienceMs
    for (let pause = 250; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      let wait = pause
      try {
        const answer = await ask()
        // One 401 may be that of a token from before a restart; a second is a refusal.
        if (!again.includes(answer.status) || Date.now() > until) return answer
        again = again.filter((status) => status !== 401)
        wait = Math.max(pause, answer.retryAfter * 1000)
      } catch (error) {
        // It may come back as another process at another port.
        this.#running = null
        this.#token = null
        if (error instanceof OutcomeUnknown || Date.now() > until) throw error
      }
      await sleep(wait)
    }
  }

  async #send(method: 'GET' | 'POST', path: string, body?: string): Promise<Answer> {
    const base = await this.baseUrl()
    const token = await this.#bearer(base)
    const response = await fetch(path === '' ? base : `${base}/${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        accept: 'application/fhir+json',
        ...(body === undefined ? {} : { 'content-type': 'application/fhir+json', prefer: 'return=minimal' }),
      },
      ...(body === undefined ? {} : { body }),
    }).catch((error: unknown) => {
      throw method === 'POST' && !neverSent(error)
        ? new OutcomeUnknown('The connection broke.', { cause: error })
        : error
    })
    const bytes = await response.arrayBuffer().catch((error: unknown) => {
      throw method === 'POST' ? new OutcomeUnknown('The connection broke.', { cause: error }) : error
    })
    if (response.status === 401) this.#token = null
    return {
      status: response.status,
      body: Buffer.from(bytes),
      retryAfter: Number(response.headers.get('retry-after') ?? 0) || 0,
    }
  }

  async #bearer(baseUrl: string): Promise<string> {
    const { id, privateKey, scopes } = this.options.client
    const present = await this.#token
    if (present === null || present.expiresAt - TOKEN_MARGIN < Date.now()) {
      this.#token = requestToken({ baseUrl, clientId: id, privateKey, scope: scopes })
      this.#token.catch(() => (this.#token = null))
    }
    return ((await this.#token) as AccessToken).accessToken
  }

  #gateway(): Promise<RunningGateway> {
    const { dataDirectory } = this.options
    if (this.#running === null) {
      this.#running = readJson<RunningGateway>(
        join(dataDirectory, RUNNING_FILE),
        `No gateway has been started on ${dataDirectory}; start one with npm start, or name one with --url.`,
      )
      this.#running.catch(() => (this.#running = null))
    }
    return this.#running
  }
}

export async function readJson<T>(path: string, otherwise: string): Promise<T> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T
  } catch {
    throw new Error(otherwise)
  }
}

/** Nobody was there to take the request. */
function neverSent(error: unknown): boolean {
  const code = ((error as Error).cause as { code?: string } | undefined)?.code ?? ''
  return ['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'UND_ERR_CONNECT_TIMEOUT'].includes(code)
}

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startPglite } from '../../src/embedded/pglite.js'
import { openDatabase } from '../../src/records/database.js'
import { LocalBlockStore } from '../../src/vault/blocks/local.js'
import { end, type RunningProcess, startGateway, tokenOf } from '../support/gateway.js'
import { ownDatabase, SERVER } from '../support/own-database.js'
import { preparedData } from '../support/prepared-data.js'

let data: string
let gateway: RunningProcess
let bearer: string
beforeAll(async () => {
  data = await preparedData('consentry-faults-')
})
afterEach(() => end(gateway.child, 'SIGTERM'))
afterAll(() => rm(data, { recursive: true, force: true }))

async function start(extra: Record<string, string> = {}): Promise<void> {
  gateway = await startGateway(data, { EMBEDDED_PROXIES: '0', ...extra })
  bearer = `Bearer ${await tokenOf(data, 'ehr')}`
}

interface Answer {
  readonly status: number
  readonly retryAfter: string | null
  readonly body: { id: string; resourceType: string; total: number; issue: { code: string; diagnostics: string }[] }
}

async function ask(method: string, path: string, body?: object): Promise<Answer> {
  const response = await fetch(`${gateway.fhir}${path}`, {
    method,
    headers: { authorization: bearer, 'content-type': 'application/fhir+json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return {
    status: response.status,
    retryAfter: response.headers.get('retry-after'),
    body: (await response.json()) as Answer['body'],
  }
}

const organization = (name: string) => ({ resourceType: 'Organization', name })

describe('a block', () => {
  it('that is missing or altered is told as such, and takes nothing else with it', async () => {
    await start()
    const made: Answer[] = []
    for (const name of ['missing', 'altered', 'whole'])
      made.push(await ask('POST', '/Organization', organization(name)))
    const [missing = '', altered = '', whole = ''] = made.map(({ body }) => body.id)
    await end(gateway.child, 'SIGTERM')

    const [cidOfMissing = '', cidOfAltered = ''] = await cidsOf([missing, altered])
    const directory = join(data, 'blocks')
    const blocks = await LocalBlockStore.open(directory)
    const bytes = (await blocks.get([cidOfAltered])).get(cidOfAltered) as Uint8Array
    await blocks.delete([cidOfMissing])
    await blocks.close()
    expect(flipInside(directory, bytes)).toBe(1)

    await start()
    for (const [id, word] of [
      [missing, 'is missing'],
      [altered, 'altered'],
    ] as const) {
      const answer = await ask('GET', `/Organization/${id}`)
      expect([answer.status, answer.body.resourceType]).toEqual([500, 'OperationOutcome'])
      expect(answer.body.issue[0]?.diagnostics).toContain(word)
      // A new version of it is whole again.
      const update = await ask('PUT', `/Organization/${id}`, { ...organization('mended'), id })
      expect(update.status).toBe(200)
      expect((await ask('GET', `/Organization/${id}`)).status).toBe(200)
    }
    expect((await ask('GET', `/Organization/${whole}`)).status).toBe(200)
    expect((await ask('GET', '/Organization?name=mended')).body.total).toBe(2)
  })

  /** Turns over one bit of what the files of the folder hold of `bytes`; in how many files. */
  function flipInside(folder: string, bytes: Uint8Array): number {
    return readdirSync(folder).filter((file) => {
      const path = join(folder, file)
      const content = readFileSync(path)
      const at = content.indexOf(bytes)
      if (at < 0) return false
      const place = at + (bytes.length >> 1)
      content[place] = (content[place] as number) ^ 1
      writeFileSync(path, content)
      return true
    }).length
  }

  async function cidsOf(ids: readonly string[]): Promise<string[]> {
    const pglite = await startPglite(join(data, 'pglite'))
    const database = await openDatabase({ driver: pglite.driver })
    try {
      const { rows } = await database.query<{ cid: string }>(
        `SELECT v.cid FROM unnest($1::text[]) WITH ORDINALITY i(id, n) JOIN resource r ON r.id = i.id
         JOIN resource_version v ON v.resource_pk = r.pk ORDER BY i.n`,
        [ids],
      )
      return rows.map(({ cid }) => cid)
    } finally {
      await database.close()
      await pglite.close()
    }
  }
})

describe.skipIf(SERVER === undefined)('the database (DATABASE_URL names a PostgreSQL)', () => {
  let url: URL
  let way: Way
  beforeAll(async () => {
    url = new URL(await ownDatabase())
    way = await Way.to(url)
  })
  afterAll(() => way.close())

  it('that cannot be reached makes 503 with Retry-After, nothing by halves, and no restart necessary', async () => {
    await start({ DATABASE_URL: Object.assign(new URL(url), { port: way.port }).href })
    const { body } = await ask('POST', '/Organization', organization('before'))
    way.cut()
    for (const refused of [
      await ask('GET', `/Organization/${body.id}`),
      await ask('GET', '/Organization?name=before'),
      await ask('POST', '/Organization', organization('during')),
    ]) {
      expect([refused.status, refused.body.resourceType]).toEqual([503, 'OperationOutcome'])
      expect(Number(refused.retryAfter)).toBeGreaterThan(0)
      expect(refused.body.issue[0]?.code).toBe('transient')
    }
    const ready = await fetch(gateway.fhir.replace('/fhir', '/health/ready'))
    expect(ready.status).toBe(503)
    await way.open()
    await expect.poll(async () => (await ask('GET', `/Organization/${body.id}`)).status, { timeout: 30_000 }).toBe(200)
    expect((await ask('GET', '/Organization?name=during')).body.total).toBe(0)
    expect((await ask('POST', '/Organization', organization('after'))).status).toBe(201)
  })
})

/** A way to a server that can be cut and opened again. */
class Way {
  readonly #sockets = new Set<Socket>()

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async to(target: URL): Promise<Way> {
    const server = createServer((near) => {
      const far = connect(Number(target.port || 5432), target.hostname)
      for (const socket of [near, far]) {
        way.#sockets.add(socket)
        socket.on('error', () => undefined)
        socket.on('close', () => {
          way.#sockets.delete(socket)
          near.destroy()
          far.destroy()
        })
      }
      near.pipe(far).pipe(near)
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const way = new Way(server, (server.address() as { port: number }).port)
    return way
  }

  cut(): void {
    this.server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  open(): Promise<void> {
    return new Promise((done) => this.server.listen(this.port, '127.0.0.1', done))
  }

  close(): void {
    this.cut()
  }
}

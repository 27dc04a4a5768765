import { policyHash } from '../../src/consent/policy-document.js'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keccak256, Wallet } from 'ethers'
import { AuditTrail } from '../../src/audit/audit-trail.js'
import { type LabelCode, labelId } from '../../src/consent/labels.js'
import { ConsentMirror } from '../../src/consent/mirror.js'
import { ALL_CATEGORIES, OPEN_END } from '../../src/consent/terms.js'
import { type AnchoredManifest, Feeds } from '../../src/exchange/feeds.js'
import { feedTag } from '../../src/exchange/feed-tag.js'
import { sealPackage } from '../../src/exchange/grant-package.js'
import { Granting } from '../../src/exchange/granting.js'
import { Importing, type ImportRound } from '../../src/exchange/importing.js'
import { accountOf, encodeManifest, type Manifest, manifestRoot } from '../../src/exchange/manifest.js'
import { OpenedCapsules } from '../../src/exchange/opened-capsules.js'
import { PatientTurns } from '../../src/exchange/patient-turns.js'
import { PolicyDocuments } from '../../src/exchange/policy-documents.js'
import { SharedPolicies } from '../../src/exchange/policies.js'
import { KeptReceipts } from '../../src/exchange/kept-receipts.js'
import { ProxyAnswers } from '../../src/exchange/proxy-answers.js'
import { ToldRequests } from '../../src/exchange/told-requests.js'
import { Purging } from '../../src/exchange/purging.js'
import { ForeignBlocks } from '../../src/exchange/foreign-blocks.js'
import { RemoteBlocks } from '../../src/exchange/remote-blocks.js'
import { GatewayChainSink } from '../../src/gateway/chain-sink.js'
import { TrailSealing } from '../../src/gateway/trail-sealing.js'
import type { BlockRef, ChainEvent } from '../../src/ledger/chain.js'
import type { Hex } from '../../src/ledger/hex.js'
import type { ConsentQuestion, LedgerReader } from '../../src/ledger/reads.js'
import { BlindIndex } from '../../src/records/blind-index.js'
import type { Database } from '../../src/records/database.js'
import { Outbox } from '../../src/records/outbox.js'
import { RecordStore } from '../../src/records/record-store.js'
import { rawBlock } from '../../src/vault/cid.js'
import { LocalBlockStore } from '../../src/vault/blocks/local.js'
import { type CapsuleKey, newCapsuleKey, policySecret, randomKey, signerOf } from '../../src/vault/keys.js'
import { SecretKey } from '../../src/vault/pre/index.js'
import { seal, type Sealed } from '../../src/vault/seal.js'
import { DirectSealer } from '../../src/vault/sealing-thread.js'
import { randomId } from '../ledger/support/consortium.js'
import { hex, openProxy, type TestProxy } from '../proxy/proxies.js'

/** A record that the hospital publishes, with what a test makes wrong about it. */
export interface Publication {
  readonly type?: string
  readonly id: string
  readonly version?: number
  readonly resource: object
  readonly labels?: readonly LabelCode[]
  /** Whose key signs the envelope. */
  readonly signer?: SecretKey
  readonly leaf?: Uint8Array
  /** Labels whose policy keys the record is really sealed under. */
  readonly sealedFor?: readonly LabelCode[]
  /** The block that the feed names instead. */
  readonly cid?: string
}

const NONE: Hex = `0x${'00'.repeat(32)}`
const OPERATOR_FLAGS = 4n

/**
 * Hospital A, which writes and shares, and clinic B, which imports: B with database, blocks and the real exchange; A as
 * keys and blocks served over HTTP; three real proxies; a ledger that says what the test lets happen.
 */
export class TwoHospitals {
  now = Date.now()
  readonly a = { id: randomId(), key: SecretKey.random() }
  readonly b = { id: randomId(), encryption: SecretKey.random(), operator: new Wallet(hex(randomBytes(32))) }
  readonly patient: Hex = randomId()
  readonly root = randomKey()
  readonly turns = new PatientTurns()
  /** Of B’s audit trail. */
  readonly trailKey = newCapsuleKey(policySecret(randomKey(), 'audit', 0).publicKey)
  /** What A serves by CID. */
  readonly served = new Map<string, Uint8Array>()
  readonly capsuleKeys = new Map<LabelCode, CapsuleKey>()
  proxies: TestProxy[] = []
  blocks!: LocalBlockStore
  kept!: ForeignBlocks
  records!: RecordStore
  mirror!: ConsentMirror
  sink!: GatewayChainSink
  outbox!: Outbox
  feeds!: Feeds
  policies!: SharedPolicies
  importing!: Importing
  purging!: Purging
  endpoint = ''
  /** What an operator of B was told. */
  readonly told: string[] = []
  readonly answers = new ProxyAnswers(({ message }) => this.told.push(message))
  #block = 0
  readonly #closing: (() => Promise<unknown>)[] = []

  /** @param database migrated; what is in it is forgotten */
  static async open(database: Database): Promise<TwoHospitals> {
    const { rows } = await database.query<{ name: string }>(
      `SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = current_schema() AND tablename <> 'migrations'`,
    )
    // TRUNCATE makes new files for every table and index, which takes ten times as long
    const each = rows.map(({ name }, i) => `d${i} AS (DELETE FROM ${name})`)
    await database.query(`WITH ${each.join(', ')} SELECT`)
    const world = new TwoHospitals(database)
    await world.#open()
    return world
  }

  private constructor(readonly database: Database) {}

  async close(): Promise<void> {
    for (const close of this.#closing.reverse()) await close()
  }

  async #open(): Promise<void> {
    const { database } = this
    const directory = mkdtempSync(join(tmpdir(), 'consentry-exchange-'))
    this.#closing.push(async () => rmSync(directory, { recursive: true }))
    this.directory = directory
    this.blocks = await LocalBlockStore.open(directory)
    this.#closing.push(() => this.blocks.close())
    await this.#serve()
    this.mirror = new ConsentMirror(database)
    this.proxies = await Promise.all(
      [1, 2, 3].map(() => openProxy(this.#ledger(), () => Math.floor(Date.now() / 1000))),
    )
    this.#closing.push(() => Promise.all(this.proxies.map((proxy) => proxy.close())))

    const { id, encryption, operator } = this.b
    const clock = () => this.now
    const master = randomKey()
    const index = new BlindIndex(randomKey())
    const remote = new RemoteBlocks(this.blocks)
    const { trailKey } = this
    const author = { id: bytes(id), key: SecretKey.random() }
    const forTrail = async () => trailKey
    const { seal } = await TrailSealing.open({ forTrail }, new DirectSealer(author), clock, () => undefined)
    const audit = new AuditTrail(id, 'http://b.example/fhir', index, seal)
    this.records = new RecordStore(database, index)
    this.outbox = new Outbox(database)
    this.feeds = new Feeds(id, database, this.mirror, remote)
    const { turns } = this
    const documents = new PolicyDocuments(database, index, master)
    this.policies = new SharedPolicies(id, encryption, database, this.mirror, remote, turns, clock, documents)
    this.sink = new GatewayChainSink(database, this.mirror, [this.feeds])
    const common = { entity: id, clock, sql: database, mirror: this.mirror, policies: this.policies, turns }
    this.kept = new ForeignBlocks(database, this.blocks)
    const stores = { records: this.records, blocks: this.kept, audit }
    this.importing = new Importing({
      ...common,
      ...stores,
      freshness: () => ({ confirmedAt: this.now, limitMs: 1 }),
      feeds: this.feeds,
      capsules: new OpenedCapsules({
        entity: id,
        encryption,
        operator,
        master,
        sql: database,
        clock,
        told: new ToldRequests(database, this.records, audit, clock),
        receipts: new KeptReceipts(database),
        answers: this.answers,
        announced: async () =>
          new Map(
            this.proxies.map(({ identity: { id: proxy, endpoint, receiptKey } }) => [
              proxy,
              { endpoint, receiptKey: bytes(receiptKey) },
            ]),
          ),
      }),
      remote,
      index,
      onRefused: ({ message }) => this.told.push(message),
    })
    this.purging = new Purging({ ...common, ...stores, forgetKeys: () => undefined })
    await this.happen(...this.#registrations())
  }

  directory = ''

  /** What a proxy's own node would say, out of the same events. */
  #ledger(): LedgerReader {
    const party = async (id: Hex) => {
      const known = await this.mirror.party(id)
      const key = known?.encryptionKey
      return { keyCommitment: known?.keyCommitment ?? (key ? keccak256(key) : NONE) }
    }
    const check = async (questions: readonly ConsentQuestion[]): Promise<boolean[]> => {
      const { rows } = await this.database.query<{ patient: Buffer }>(
        'SELECT patient FROM "grant" WHERE valid_to > $1',
        [Math.floor(this.now / 1000)],
      )
      const sharing = new Set(rows.map((row) => hex(row.patient)))
      return questions.map(({ patient }) => sharing.has(patient))
    }
    return {
      rpc: { send: async () => '0x1' },
      readMany: async (_: string, __: string, inputs: readonly [Hex][]) => Promise.all(inputs.map(([id]) => party(id))),
      read: async () => true,
      check,
    } as unknown as LedgerReader
  }

  async #serve(): Promise<void> {
    const server = createServer((request, response) => {
      const block = this.served.get(/\/ipfs\/([^?]+)/.exec(request.url ?? '')?.[1] ?? '')
      response.writeHead(block ? 200 : 404).end(block)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    this.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    this.#closing.push(
      () => new Promise((resolve) => server.close(resolve)),
      async () => server.closeAllConnections(),
    )
  }

  #registrations(): [string, Record<string, unknown>][] {
    const common = { validFrom: 0, validTo: OPEN_END, credential: NONE }
    const key = (secret: SecretKey) => hex(secret.publicKey.toBytes())
    return [
      this.entity(this.a.id, this.a.key, this.endpoint),
      [
        'EntityRegistered',
        {
          ...common,
          entity: this.b.id,
          controller: this.b.operator.address,
          encryptionKey: key(this.b.encryption),
          endpoint: 'http://127.0.0.1:1',
        },
      ],
      this.registration(this.patient, this.root),
      ...this.proxies.map(({ identity }): [string, Record<string, unknown>] => [
        'ProxyRegistered',
        { ...common, ...identity, proxy: identity.id, owner: NONE },
      ]),
    ]
  }

  entity(id: Hex, author: SecretKey, endpoint: string): [string, Record<string, unknown>] {
    const encryptionKey = hex(SecretKey.random().publicKey.toBytes())
    const controller = accountOf(author.publicKey.toBytes())
    const terms = { validFrom: 0, validTo: OPEN_END, credential: NONE }
    return ['EntityRegistered', { ...terms, entity: id, controller, encryptionKey, endpoint }]
  }

  registration(patient: Hex, root: Uint8Array): [string, Record<string, unknown>] {
    const keyCommitment = keccak256(signerOf(root).publicKey.toBytes())
    return ['PatientRegistered', { patient, entity: this.a.id, controller: NONE.slice(0, 42), keyCommitment }]
  }

  /** One block of the chain with these events. */
  async happen(...said: readonly (readonly [string, Record<string, unknown>])[]): Promise<void> {
    const number = ++this.#block
    const block: BlockRef = { number, hash: hex(randomBytes(32)), timestamp: Math.floor(this.now / 1000) }
    const events = said.map(([name, args], logIndex): ChainEvent => {
      const contract = /Registered$/.test(name)
        ? 'IdentityRegistry'
        : /^Consent|^All|^Policy/.test(name)
          ? 'ConsentRegistry'
          : 'RecordAnchors'
      return { contract, name, args, block, transactionHash: block.hash, transactionIndex: 0, logIndex }
    })
    await this.sink.apply({ events, head: block, finalized: number, ancestors: [] })
  }

  /** The patient shares labels with B: fragments at the proxies, package at A, words on the ledger. */
  async grant(
    labels: readonly LabelCode[] = ['general'],
    to = OPEN_END,
    patient = this.patient,
    root = this.root,
    policy?: Uint8Array,
  ) {
    const store = { put: async (blocks: readonly { cid: string; bytes: Uint8Array }[]) => this.#put(blocks) }
    const granting = new Granting(this.mirror, store as unknown as LocalBlockStore)
    const grantee = this.b.id
    const packageHash = await granting.prepare({ patient, root, grantee, labels, ...(policy && { policy }) })
    const word = BigInt(to) << 40n
    const consent =
      word |
      (1n << 80n) |
      (ALL_CATEGORIES << 112n) |
      ((policy === undefined ? OPERATOR_FLAGS : OPERATOR_FLAGS | 1n) << 208n)
    const granted = labels.flatMap((label): [string, Record<string, unknown>][] => {
      const common = { patient, grantee, label: labelId(label), actions: 1 }
      const given: [string, Record<string, unknown>] = ['ConsentGranted', { ...common, consent, packageHash }]
      return policy === undefined ? [given] : [given, ['PolicyPinned', { ...common, policyHash: policyHash(policy) }]]
    })
    await this.happen(...granted)
  }

  /** A's next package for the same grant names other addresses. */
  async misdirect(endpoint: string): Promise<void> {
    const block = rawBlock(
      sealPackage(
        {
          patient: this.patient,
          grantee: this.b.id,
          threshold: 2,
          verifyingKey: signerOf(this.root).publicKey.toBytes(),
          policies: [{ label: 'general', epoch: 0, policyKey: this.policyKey('general').toBytes() }],
          proxies: this.proxies.map(({ identity }) => ({ id: identity.id, endpoint })),
        },
        this.b.encryption.publicKey,
      ),
    )
    this.#put([block])
    const packageHash = `0x${createHash('sha256').update(block.bytes).digest('hex')}`
    const consent = (BigInt(OPEN_END) << 40n) | (1n << 80n) | (ALL_CATEGORIES << 112n) | (OPERATOR_FLAGS << 208n)
    const grant = { patient: this.patient, grantee: this.b.id, label: labelId('general'), actions: 1 }
    await this.happen(['ConsentGranted', { ...grant, consent, packageHash }])
  }

  /** The patient lets another hospital write. */
  async letWrite(grantee: Hex, to = OPEN_END): Promise<void> {
    const consent = (BigInt(to) << 40n) | (1n << 80n) | (ALL_CATEGORIES << 112n)
    const grant = { patient: this.patient, grantee, label: labelId('general'), actions: 2, packageHash: NONE }
    await this.happen(['ConsentGranted', { ...grant, consent }])
  }

  async revoke(label: LabelCode = 'general'): Promise<void> {
    await this.happen([
      'ConsentRevoked',
      { patient: this.patient, grantee: this.b.id, label: labelId(label), actions: 1 },
    ])
  }

  /** A seals records and anchors them with a manifest. */
  async publish(publications: readonly Publication[], author = this.a): Promise<Sealed[]> {
    const sealed = publications.map((p) => this.#seal(p, author))
    const manifest: Manifest = {
      entity: author.id,
      authorKey: author.key.publicKey.toBytes(),
      entries: publications.map((p, i) => {
        const { cid, leaf } = sealed[i] as Sealed
        const tags = (p.labels ?? ['general']).map((label) => feedTag(this.policyKey(label).toBytes(), author.id))
        return { tags, cid: p.cid ?? cid, leaf: p.leaf ?? leaf }
      }),
    }
    this.#put(sealed.flatMap(({ blocks }) => blocks))
    await this.anchor(manifest)
    return sealed
  }

  async anchor(manifest: Manifest, over: Record<string, unknown> = {}): Promise<void> {
    const block = encodeManifest(manifest)
    this.#put([block])
    const digest = `0x${createHash('sha256').update(block.bytes).digest('hex')}`
    const args = { entity: manifest.entity, root: manifestRoot(manifest), manifest: digest, count: 1, ...over }
    await this.happen(['RecordsAnchored', args])
  }

  #put(blocks: readonly { cid: string; bytes: Uint8Array }[]): void {
    for (const { cid, bytes: block } of blocks) this.served.set(cid, block)
  }

  #seal(
    { type = 'Observation', id, version = 1, resource, labels = ['general'], ...wrong }: Publication,
    author = this.a,
  ) {
    const body = Buffer.from(JSON.stringify(resource))
    const keys = (wrong.sealedFor ?? labels).map((label) => this.capsuleKey(label))
    const item = { id: `${type}/${id}`, version, body, keys }
    return seal([item], { id: bytes(author.id), key: wrong.signer ?? author.key })[0] as Sealed
  }

  policyKey(label: LabelCode) {
    return policySecret(this.root, label, 0).publicKey
  }

  /** A's current capsule of a label. */
  capsuleKey(label: LabelCode): CapsuleKey {
    const known = this.capsuleKeys.get(label) ?? newCapsuleKey(this.policyKey(label))
    this.capsuleKeys.set(label, known)
    return known
  }

  /**
   * What the worker does with what is waiting. @param crash leaves each item claimed, as if the process had ended after it
   * @param importing false to read feeds and packages only
   */
  async work({ crash = false, importing = true } = {}): Promise<ImportRound> {
    const handlers = {
      purge: (p: { patient: Hex }) => this.purging.purge(p.patient),
      package: (p: { patient: Hex; digest: string }) => this.policies.readPackage(p),
      manifest: (p: AnchoredManifest) => this.feeds.readManifest(p),
    }
    for (const [kind, handle] of Object.entries(handlers)) {
      for (const { id, payload } of await this.outbox.claim(kind, 100, 0)) {
        await handle(payload as never)
        if (!crash) await this.outbox.complete([id])
      }
    }
    return importing ? await this.importing.round() : { imported: 0, refused: 0 }
  }

  async count(table: string, condition = 'true'): Promise<number> {
    const { rows } = await this.database.query<{ n: bigint }>(`SELECT count(*) AS n FROM ${table} WHERE ${condition}`)
    return Number(rows[0]?.n)
  }

  async refusals(): Promise<string[]> {
    const { rows } = await this.database.query<{ reason: string }>(
      `SELECT reason FROM feed_item WHERE state = 'refused' ORDER BY leaf_index`,
    )
    return rows.map(({ reason }) => reason)
  }

  /** Whether any file of B's block store has these bytes. */
  onDisk(needle: Uint8Array): boolean {
    return readdirSync(this.directory).some((name) =>
      readFileSync(join(this.directory, name)).includes(Buffer.from(needle)),
    )
  }
}

export function observation(id: string, version = 1, more: object = {}): object {
  return {
    resourceType: 'Observation',
    id,
    meta: { versionId: String(version), lastUpdated: '2026-01-02T03:04:05.000Z' },
    status: 'final',
    code: { coding: [{ system: 'http://loinc.org', code: '718-7' }] },
    subject: { reference: 'Patient/pat-a' },
    ...more,
  }
}

export function labelled(code: string): object {
  const security = [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code }]
  return { meta: { versionId: '1', lastUpdated: '2026-01-02T03:04:05.000Z', security } }
}

function bytes(value: string): Buffer {
  return Buffer.from(value.slice(2), 'hex')
}

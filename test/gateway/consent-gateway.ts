import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type HDNodeWallet, Wallet } from 'ethers'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { requestToken } from '../../src/cli/access-token.js'
import { grantOf } from '../../src/cli/story/consents.js'
import { ALL_LABELS_ID, labelId } from '../../src/consent/labels.js'
import { administratorKey, type EntityKeys, entityKeys } from '../../src/embedded/entity-keys.js'
import { type Call, Contracts } from '../../src/ledger/contracts.js'
import type { Deployment } from '../../src/ledger/deploy.js'
import type { Hex } from '../../src/ledger/hex.js'
import { LedgerReader } from '../../src/ledger/reads.js'
import { Rpc } from '../../src/ledger/rpc.js'
import { TransactionSender } from '../../src/ledger/sender.js'
import { signTypedData, typedData } from '../../src/ledger/typed-data.js'
import { Keystore } from '../../src/vault/keystore.js'
import { SecretKey } from '../../src/vault/pre/index.js'
import { end, type RunningProcess, startGateway, tokenOf } from '../support/gateway.js'
import { preparedGateway } from '../support/prepared-data.js'
import { sharedGateway } from '../support/shared-gateway.js'

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // The tests look into resources of every type.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly body: any
}

export interface Asking {
  readonly as?: string
  readonly headers?: Record<string, string>
}

/** One real gateway with its embedded chain and proxies, and its operator's key to act on the ledger beside it. */
export class ConsentGateway {
  readonly tokens: Record<string, string> = {}
  #running: RunningProcess | undefined
  /** Others use it too: it is not ours to end. */
  #shared = false
  #clients: object[] = []
  #administrator: TransactionSender | undefined
  #ledger: { keys: EntityKeys; reader: LedgerReader; sender: TransactionSender; rpc: Rpc } | undefined

  private constructor(readonly data: string) {}

  static async open(environment: Record<string, string> = {}): Promise<ConsentGateway> {
    const gateway = new ConsentGateway(await preparedGateway('consentry-consent-'))
    await gateway.start(environment)
    return gateway
  }

  /** The gateway of this worker, for a file that brings its own patients, clients and entities, and looks at nothing else. */
  static async shared(): Promise<ConsentGateway> {
    const { data, running } = await sharedGateway()
    const gateway = new ConsentGateway(data)
    gateway.#shared = true
    gateway.#running = running
    await gateway.#tokensOfDemoClients()
    return gateway
  }

  async start(environment: Record<string, string>): Promise<void> {
    this.#running = await startGateway(this.data, environment)
    await this.#tokensOfDemoClients()
  }

  async #tokensOfDemoClients(): Promise<void> {
    await Promise.all(['ehr', 'wallet', 'auditor'].map(async (name) => (this.tokens[name] = await this.token(name))))
  }

  async #putDown(): Promise<void> {
    await this.#administrator?.close()
    this.#administrator = undefined
    await this.#ledger?.sender.close()
    await this.#ledger?.rpc.close()
    this.#ledger = undefined
  }

  async stop(): Promise<void> {
    if (this.#shared) throw new TypeError('This gateway is of other files too.')
    await this.#putDown()
    if (this.#running) await end(this.#running.child, 'SIGTERM')
    this.#running = undefined
  }

  async close(): Promise<void> {
    if (this.#shared) {
      await this.#putDown()
      this.#clients = []
      return this.#writeClients()
    }
    await this.stop()
    await rm(this.data, { recursive: true, force: true })
  }

  token(client: string, ...options: string[]): Promise<string> {
    return tokenOf(this.data, client, ...options)
  }

  /** A client of another party, registered in the operator's file, and its token under the same name. */
  async register(
    name: string,
    client: { readonly entity?: Hex; readonly practitioner?: Hex; readonly patient?: string; readonly scopes?: string },
    purposes: readonly string[] = ['TREAT'],
  ): Promise<void> {
    const { privateKey } = await generateKeyPair('ES384', { extractable: true })
    const key = { ...(await exportJWK(privateKey)), kid: `${name}-1`, alg: 'ES384', use: 'sig' } satisfies JWK
    const { d: _, ...publicKey } = key
    const scopes = client.scopes ?? 'system/*.rs'
    await this.registerClient({ ...client, id: name, scopes, role: 'system', purposes, jwks: { keys: [publicKey] } })
    const asked = { baseUrl: this.fhir, clientId: name, privateKey: key, scope: scopes }
    for (const purpose of purposes) {
      const { accessToken } = await requestToken({ ...asked, purposes: [purpose] })
      this.tokens[purpose === purposes[0] ? name : `${name} ${purpose}`] = accessToken
    }
  }

  /** In the operator's file, until this file of tests is done. */
  async registerClient(registration: object): Promise<void> {
    this.#clients.push(registration)
    await this.#writeClients()
  }

  #writeClients(): Promise<void> {
    return writeFile(join(this.data, 'clients.json'), JSON.stringify(this.#clients))
  }

  get fhir(): string {
    return (this.#running as RunningProcess).fhir
  }

  async ask(method: string, path: string, body?: unknown, { as = 'ehr', headers = {} }: Asking = {}): Promise<Answer> {
    const type = path.startsWith('/$graphql') ? 'application/json' : 'application/fhir+json'
    const response = await fetch(path.startsWith('http') ? path : `${this.fhir}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.tokens[as]}`,
        ...(body === undefined ? {} : { 'content-type': type }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: text.startsWith('{') ? JSON.parse(text) : text,
    }
  }

  /** The id of what a POST makes. */
  async create(resource: { readonly resourceType: string; readonly [element: string]: unknown }): Promise<string> {
    const { status, body, text } = await this.ask('POST', `/${resource.resourceType}`, resource)
    if (status !== 201) throw new Error(`${status}: ${text}`)
    return body.id as string
  }

  /** A proposed Consent, with parts of it or of its provision changed. */
  async propose(patientId: string, grantee: string, over: object = {}, provision: object = {}): Promise<string> {
    const consent = grantOf(patientId, grantee, ['read'])
    return this.create({ ...consent, ...over, provision: { ...(consent['provision'] as object), ...provision } })
  }

  /** A patient's signed form, and the parameter that names it. */
  async form(patientId: string, over: object = {}): Promise<{ name: string; valueReference: { reference: string } }> {
    const id = await this.create({
      resourceType: 'DocumentReference',
      status: 'current',
      subject: { reference: `Patient/${patientId}` },
      content: [{ attachment: { title: 'Signed form' } }],
      ...over,
    })
    return authorised(`DocumentReference/${id}`)
  }

  operation(consentId: string, name: string, parameter: readonly unknown[] = [], asking?: Asking): Promise<Answer> {
    return this.ask('POST', `/Consent/${consentId}/$${name}`, parametersOf(parameter), asking)
  }

  /** Another entity, as the consortium's administrator registers it. */
  async registerClinic(id: Hex): Promise<void> {
    const { reader } = await this.ledger()
    const encryptionKey: Hex = `0x${Buffer.from(SecretKey.random().publicKey.toBytes()).toString('hex')}`
    const registration = {
      id,
      controller: Wallet.createRandom().address.toLowerCase() as Hex,
      validFrom: 0,
      validTo: 2 ** 40 - 1,
      credential: ALL_LABELS_ID,
      encryptionKey,
      endpoint: 'http://127.0.0.1:1',
    }
    await this.administer(reader.contracts.write('IdentityRegistry', 'registerEntity', registration))
  }

  /** Sends as the consortium's administrator. */
  async administer(call: Call): Promise<void> {
    this.#administrator ??= await this.#openAdministrator()
    await (await this.#administrator.send(call)).wait()
  }

  async #openAdministrator(): Promise<TransactionSender> {
    const { reader, rpc } = await this.ledger()
    const signer = await administratorKey(await this.#keystore())
    return new TransactionSender({ rpc, chainId: reader.contracts.chainId, signer })
  }

  async #keystore(): Promise<Keystore> {
    const passphrase = (await readFile(join(this.data, 'passphrase'), 'utf8')).trim()
    return Keystore.open(join(this.data, 'keystore.json'), passphrase)
  }

  /** The patient takes its key into a wallet of its own: custody ends. */
  async claim(party: Hex, wallet: Pick<HDNodeWallet, 'address' | 'signTypedData'>): Promise<void> {
    const { reader } = await this.ledger()
    const controller = wallet.address.toLowerCase() as Hex
    const deadline = BigInt(Math.floor(Date.now() / 1000) + 3_600)
    const message = { party, controller, nonce: await reader.read('IdentityRegistry', 'nonces', party), deadline }
    const acceptance = await signTypedData(wallet, typedData(reader.contracts, 'ChangeController', message))
    await this.send(
      reader.contracts.write('IdentityRegistry', 'changeController', party, controller, deadline, '0x', acceptance),
    )
  }

  /** Whether the ledger lets the grantee read what is labelled general. */
  async mayRead(patientId: string, grantee: Hex): Promise<boolean> {
    const { reader } = await this.ledger()
    const patient = await this.ledgerId(patientId)
    const question = { patient, grantee, label: labelId('general'), action: 0, purpose: 1, categories: 1n }
    return (await reader.check([question]))[0] as boolean
  }

  async ledgerId(patientId: string): Promise<Hex> {
    const { body } = await this.ask('GET', `/Patient/${patientId}/$ledger-id`)
    return body.parameter[0].valueIdentifier.value as Hex
  }

  /** The chain as the operator sees it, with its key. */
  async ledger() {
    this.#ledger ??= await this.#openLedger()
    return this.#ledger
  }

  /** Sends as the entity's operator. */
  async send(call: Call): Promise<void> {
    const { sender } = await this.ledger()
    await (await sender.send(call)).wait()
  }

  async chain(): Promise<{ pid: number; port: number }> {
    return JSON.parse(await readFile(join(this.data, 'chain', 'chain.json'), 'utf8')) as { pid: number; port: number }
  }

  async #openLedger() {
    const deployment = JSON.parse(await readFile(join(this.data, 'deployment.json'), 'utf8')) as Deployment
    const keys = await entityKeys(await this.#keystore())
    const rpc = new Rpc(`http://127.0.0.1:${(await this.chain()).port}`)
    const contracts = new Contracts(deployment.chainId, deployment.addresses)
    const sender = new TransactionSender({ rpc, chainId: deployment.chainId, signer: keys.operator })
    return { keys, reader: new LedgerReader(rpc, contracts), sender, rpc }
  }
}

/** FHIR has no empty lists. */
const parametersOf = (parameter: readonly unknown[]) => ({
  resourceType: 'Parameters',
  ...(parameter.length === 0 ? {} : { parameter }),
})

export const authorised = (document: string) => ({ name: 'authorisation', valueReference: { reference: document } })

export function observation(patientId: string, more: object = {}) {
  return {
    resourceType: 'Observation',
    status: 'final',
    code: { coding: [{ system: 'http://loinc.org', code: '718-7' }] },
    subject: { reference: `Patient/${patientId}` },
    ...more,
  }
}

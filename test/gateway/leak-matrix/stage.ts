import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { labelId, type LabelCode } from '../../../src/consent/labels.js'
import { actionMask, ALL_CATEGORIES, OPEN_END, type Purpose, purposeMask } from '../../../src/consent/terms.js'
import type { Hex } from '../../../src/ledger/hex.js'
import { transactionOf } from '../../support/transaction.js'
import { ConsentGateway } from '../consent-gateway.js'
import { type Ask, get } from './asking.js'
import { Callers, type Told } from './caller.js'
import { FRESHNESS, LEAVING, SEEING, type Situation, SITUATIONS } from './situations.js'
import { records, type Resources } from './world.js'

const NOTHING: Hex = `0x${'00'.repeat(32)}`
const ACTIVE = 1
const SUSPENDED = 2
const ACTIONS = actionMask(['read', 'create', 'update', 'delete'])

interface Terms {
  readonly labels: readonly LabelCode[]
  readonly purposes?: readonly Purpose[]
  readonly categories?: bigint
  readonly from?: number
  readonly to?: number
}

/** One gateway, a party for each situation, and the two patients of the world. Grants are the ledger's own, without Consents that somebody signs. */
export class Stage {
  readonly callers: Callers
  readonly entities: Readonly<Record<string, Hex>>
  #ledgerIds: Readonly<Record<string, Hex>> = {}

  private constructor(readonly gateway: ConsentGateway) {
    this.callers = new Callers(gateway)
    this.entities = Object.fromEntries(
      [...SITUATIONS, SEEING, LEAVING].map(({ name }) => [name, `0x${randomBytes(32).toString('hex')}` as const]),
    )
  }

  /** Everybody is there, and `public`, who has granted to all of them what is labelled general. */
  static async open(): Promise<Stage> {
    const instrument = new URL('../../support/instrument.mjs', import.meta.url)
    const gateway = await ConsentGateway.open({
      EMBEDDED_PROXIES: '0',
      FRESHNESS_SECONDS: String(FRESHNESS),
      FULL_TEXT_INDEX: 'content',
      NODE_OPTIONS: `--import=${instrument.href}`,
    })
    try {
      const stage = new Stage(gateway)
      await stage.#prepare()
      return stage
    } catch (error) {
      await gateway.close()
      throw error
    }
  }

  async #prepare(): Promise<void> {
    await this.callers.register(this.entities)
    for (const entity of Object.values(this.entities)) await this.gateway.registerClinic(entity)
    await this.put(records('public', this.entities['no grant'] as Hex))
    this.#ledgerIds = { public: await this.gateway.ledgerId('public') }
    for (const name of Object.keys(this.entities)) await this.grant('public', name, { labels: ['general'] })
    await this.#settled(Object.keys(this.entities).length)
  }

  /** What is hidden comes to be, and who has been granted it, as each situation says. */
  async hide(): Promise<void> {
    await this.putHidden()
    this.#ledgerIds = { ...this.#ledgerIds, hidden: await this.gateway.ledgerId('hidden') }
    for (const { name, grant } of [...SITUATIONS, SEEING]) if (grant !== undefined) await this.allow(name, grant)
  }

  /** As it was at first: all of it, or what is named. */
  async putHidden(named: (id: string) => boolean = () => true): Promise<void> {
    const grantee = this.entities['no grant'] as Hex
    const all = Object.entries({ ...records('hidden', grantee), ...records('veiled', grantee) })
    const chosen = all.filter(([url]) => named(url.split('/')[1] ?? ''))
    if (chosen.length > 0) await this.put(Object.fromEntries(chosen))
  }

  async allow(name: string, grant: Terms): Promise<void> {
    await this.grant('hidden', name, grant)
    await this.grant('public', name, { ...grant, labels: grant.labels.filter((label) => label !== 'general') })
  }

  /** Takes back all that a patient has granted but, of `public`, what is everybody's. */
  async revoke(patient: 'hidden' | 'public', name: string): Promise<void> {
    const { reader } = await this.gateway.ledger()
    const labels = (patient === 'public' ? (['PSY'] as const) : (['general', 'PSY'] as const)).map(labelId)
    const grantee = this.entities[name] as Hex
    await this.gateway.send(
      reader.contracts.write('ConsentRegistry', 'revoke', this.ledgerId(patient), grantee, labels, ACTIONS),
    )
  }

  async suspend(name: string, suspended: boolean): Promise<void> {
    const { reader } = await this.gateway.ledger()
    const status = suspended ? SUSPENDED : ACTIVE
    await this.gateway.administer(
      reader.contracts.write('IdentityRegistry', 'setStatus', this.entities[name] as Hex, status),
    )
  }

  async grant(
    patient: string,
    name: string,
    { labels, purposes = ['TREAT'], categories = ALL_CATEGORIES, from, to }: Terms,
  ): Promise<void> {
    const { reader } = await this.gateway.ledger()
    const now = Math.floor(Date.now() / 1000)
    const grant = {
      patient: this.ledgerId(patient),
      grantee: this.entities[name] as Hex,
      labels: labels.map(labelId),
      actions: ACTIONS,
      purposes: purposeMask(purposes),
      categories,
      from: from === undefined ? 0 : now + from,
      to: to === undefined ? OPEN_END : now + to,
      packageHash: NOTHING,
      policyHash: NOTHING,
      nonce: await reader.read('ConsentRegistry', 'grantNonce', this.ledgerId(patient)),
      deadline: now + 3_600,
    }
    await this.gateway.send(reader.contracts.write('ConsentRegistry', 'grant', grant))
  }

  ledgerId(patient: string): Hex {
    return this.#ledgerIds[patient] as Hex
  }

  async put(resources: Resources): Promise<void> {
    const all = Object.entries(resources).map(([url, elements]) => {
      const [resourceType = '', id = ''] = url.split('/')
      return { resourceType, id, ...elements }
    })
    const { status, text } = await this.gateway.ask('POST', '', transactionOf(all))
    expect(status, text).toBe(200)
  }

  /** Of the first that is found; what is written of the ledger comes a while after it. */
  async idOf(name: string, search: string): Promise<string> {
    let id: string | undefined
    await until(search, async () => {
      id = /"fullUrl":"[^"]*\/([^"/]+)"/.exec((await this.callers.ask(name, get(search))).raw)?.[1]
      return id !== undefined
    })
    return id ?? ''
  }

  /** Asks as the party of a situation, in it. */
  ask({ name, ahead }: Situation, ask: Ask): Promise<Told> {
    return this.callers.ask(name, ask, ahead === undefined ? {} : { 'x-clock': String(ahead) })
  }

  /** Until the party is answered so about a resource. */
  until(situation: Situation, path: string, status: number): Promise<void> {
    return until(
      `${situation.name}: ${path} ${status}`,
      async () => (await this.ask(situation, get(path))).status === status,
    )
  }

  /** @see instrument.mjs */
  async instrument(what: 'routes' | 'folds' | 'held' | 'release'): Promise<unknown> {
    return (await fetch(new URL(this.gateway.fhir).origin, { headers: { 'x-instrument': what } })).json()
  }

  /** The Consents that the gateway writes of the grants of `public` are there: everybody may see them. */
  async #settled(grants: number): Promise<void> {
    const consents = () => this.callers.ask(LEAVING.name, get('/Consent?status=active&_summary=count'))
    await until('consents are told', async () => (await consents()).raw.includes(`"total":${grants}`))
  }

  close(): Promise<void> {
    return this.gateway.close()
  }
}

/** Before a test, where `expect.poll` may not be used. */
async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (let i = 0; !(await holds()); i++) {
    if (i === 3_000) throw new Error(`not in a minute: ${what}`)
    await sleep(20)
  }
}

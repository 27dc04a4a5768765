import { setTimeout as sleep } from 'node:timers/promises'
import { type Facts, decide } from '../../src/consent/decide.js'
import { ALL_LABELS_ID, type LabelCode, labelBits, labelId } from '../../src/consent/labels.js'
import { ConsentMirror } from '../../src/consent/mirror.js'
import type { Action, PartyId, PatientId } from '../../src/consent/permit.js'
import {
  actionNumber,
  type Purpose,
  purposeMask,
  WORD_ACTIONS,
  type WordAction,
  wordAsked,
} from '../../src/consent/terms.js'
import { GatewayChainSink } from '../../src/gateway/chain-sink.js'
import type { Call } from '../../src/ledger/contracts.js'
import { ChainFollower } from '../../src/ledger/follower.js'
import { toQuantity, type Hex } from '../../src/ledger/hex.js'
import type { ConsentQuestion } from '../../src/ledger/reads.js'
import type { Database } from '../../src/records/database.js'
import { type Consortium, ZERO } from '../ledger/support/consortium.js'
import type { TestNode } from '../ledger/support/nodes.js'

/** A question about a record with one label. */
export interface LabelQuestion {
  readonly patient: PatientId
  readonly grantee: PartyId
  readonly label: LabelCode
  readonly action: Action
  readonly purpose: Purpose
  readonly categories: bigint
}

/** A chain whose blocks and clock the test makes, and the consent mirror that follows it. */
export class MirroredLedger {
  readonly mirror: ConsentMirror
  readonly sink: GatewayChainSink
  readonly follower: ChainFollower

  constructor(
    private readonly node: TestNode,
    private readonly cast: Consortium,
    private readonly database: Database,
  ) {
    this.mirror = new ConsentMirror(database)
    this.sink = new GatewayChainSink(database, this.mirror, [])
    this.follower = new ChainFollower({
      rpc: node.rpc,
      addresses: [cast.contracts.addresses.IdentityRegistry, cast.contracts.addresses.ConsentRegistry],
      decode: (log) => cast.contracts.decode(log),
      sink: this.sink,
      startBlock: cast.deployment.block,
      grantTag: 'latest',
      pollMs: 60_000,
      shorterChainMs: 0,
    })
    this.follower.start()
  }

  /** All of them in one block of that time. A call that the contract refuses changes nothing and is part of the history. */
  async block(calls: readonly { readonly from: Hex; readonly call: Call }[], timestamp: number): Promise<void> {
    const { rpc } = this.node
    await rpc.batch([
      ...calls.map(({ from, call }) => ({
        method: 'eth_sendTransaction',
        params: [{ from, to: call.to, data: call.data, gas: '0x2dc6c0' }],
      })),
      { method: 'evm_setNextBlockTimestamp', params: [timestamp] },
      { method: 'evm_mine', params: [] },
    ])
  }

  /** Until the mirror stands at the node's head. @returns that head */
  async settled(): Promise<{ number: number; timestamp: number }> {
    const head = (await this.node.rpc.send('eth_getBlockByNumber', ['latest', false])) as Record<string, Hex>
    for (;;) {
      this.follower.poke()
      if ((await this.sink.cursor())?.hash === head['hash']) break
      await sleep(2)
    }
    return { number: Number(head['number']), timestamp: Number(head['timestamp']) }
  }

  /** What the mirror answers, by `decide`. @param now seconds since the epoch */
  async decisions(questions: readonly LabelQuestion[], now: number): Promise<boolean[]> {
    const patients = [...new Set(questions.map(({ patient }) => patient))]
    const grantees = [...new Set(questions.map(({ grantee }) => grantee))]
    const activeParties = await this.mirror.activeParties(grantees, now)
    const freshness = { confirmedAt: now * 1000, limitMs: 1 }
    const words = new Map<WordAction | null, Facts['words']>()
    for (const action of WORD_ACTIONS) words.set(action, await this.mirror.words(patients, grantees, action))
    return questions.map(({ patient, grantee, label, action, purpose, categories }) => {
      const subject = { patient, origin: this.cast.entity, labels: labelBits([label]), categories }
      const facts = { now: now * 1000, freshness, activeParties, words: words.get(wordAsked(action, purpose)) ?? [] }
      return 'permit' in decide({ action, purpose, parties: [grantee], subjects: [subject] }, facts)
    })
  }

  /**
   * What the contract answers: for the label, or for all labels.
   * @param permits what somebody who enforces the policy document that the contract has pinned makes of the question
   */
  async checks(
    questions: readonly LabelQuestion[],
    permits: (policy: Hex, question: LabelQuestion) => boolean = () => false,
  ): Promise<boolean[]> {
    const asked = questions.flatMap(({ label, action, purpose, ...rest }) => {
      const question = { ...rest, action: actionNumber(action), purpose: purposeMask([purpose]) }
      const of = (id: Hex): ConsentQuestion => ({ ...question, label: id })
      return [of(labelId(label)), of(ALL_LABELS_ID)]
    })
    const answers = await this.cast.reader.check(asked)
    // The purpose is nothing to it.
    const words = new Map(
      asked.map(({ patient, grantee, label, action }) => {
        const word: [patient: Hex, grantee: Hex, label: Hex, action: number] = [patient, grantee, label, action]
        return [word.join(), word] as const
      }),
    )
    const pinned = await this.cast.reader.readMany('ConsentRegistry', 'policyOf', [...words.values()])
    const policies = new Map([...words.keys()].map((word, i) => [word, pinned[i] ?? ZERO]))
    return questions.map((question, i) =>
      [2 * i, 2 * i + 1].some((place) => {
        const { patient, grantee, label, action } = asked[place] as ConsentQuestion
        const policy = policies.get([patient, grantee, label, action].join()) ?? ZERO
        // An emergency has a word of its own, which no document narrows.
        const narrowed = question.purpose !== 'BTG' && policy !== ZERO
        return answers[place] === true && (!narrowed || permits(policy, question))
      }),
    )
  }

  /** Every row of the mirror and of its events, as text that can be compared. */
  async contents(): Promise<string> {
    const tables = ['"grant"', 'party', 'ledger_event', 'chain_cursor']
    const rows = await Promise.all(
      tables.map((table) => this.database.query(`SELECT t::text FROM ${table} t ORDER BY 1`)),
    )
    return JSON.stringify(rows.map((r) => r.rows))
  }

  /** Marks the present as a place to go back to. */
  async snapshot(): Promise<Hex> {
    return (await this.node.rpc.send('evm_snapshot')) as Hex
  }

  /** The chain forgets what came after the mark: a reorganisation for whoever followed it. */
  async revert(mark: Hex): Promise<void> {
    await this.node.rpc.send('evm_revert', [mark])
  }

  /** The test makes the blocks from here on, for any sender. */
  async takeOver(senders: readonly Hex[]): Promise<void> {
    const { rpc } = this.node
    await rpc.send('anvil_autoImpersonateAccount', [true])
    for (const sender of senders) await rpc.send('anvil_setBalance', [sender, toQuantity(10n ** 21n)])
    await rpc.send('evm_setAutomine', [false])
  }
}

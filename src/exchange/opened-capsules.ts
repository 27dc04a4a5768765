import { createHash } from 'node:crypto'
import type { Wallet } from 'ethers'
import { labelBits, labelId } from '../consent/labels.js'
import type { PartyId } from '../consent/permit.js'
import { ConsentryError } from '../errors.js'
import type { Sql } from '../records/database.js'
import { unwrap, wrap } from '../vault/keys.js'
import {
  Capsule,
  CapsuleFrag,
  decapsulateReencrypted,
  type SecretKey,
  type VerifiedCapsuleFrag,
} from '../vault/pre/index.js'
import type { KeptReceipts } from './kept-receipts.js'
import type { ProxyAnswers } from './proxy-answers.js'
import type { SharedPolicy } from './policies.js'
import {
  type Asking,
  type ProxyAddress,
  type Reencrypted,
  type ReencryptionItems,
  requestReencryption,
} from './proxies.js'
import type { ToldRequests } from './told-requests.js'

/** A capsule of another author under a policy that is shared with us. */
export interface ForeignCapsule {
  readonly capsule: Uint8Array
  readonly author: PartyId
  readonly policy: SharedPolicy
}

/** Purpose and category bits of the grant under which we ask. */
export interface AskingTerms {
  readonly purpose: number
  readonly categories: bigint
}

/** A capsule with its key. */
export interface OpenedCapsule {
  readonly foreign: ForeignCapsule
  readonly key: Uint8Array
}

/** What a proxy says of itself on the ledger. */
export interface AnnouncedProxy {
  readonly endpoint: string
  /** Signs its receipts; 33 bytes. */
  readonly receiptKey: Uint8Array
}

export interface OpeningParts {
  readonly entity: PartyId
  readonly encryption: SecretKey
  readonly operator: Wallet
  readonly master: Uint8Array
  readonly sql: Sql
  /** Milliseconds since the epoch. */
  readonly clock: () => number
  readonly told: ToldRequests
  readonly receipts: KeptReceipts
  readonly answers: ProxyAnswers
  /** As the ledger knows proxies; those that announced nothing are missing. */
  readonly announced: (proxies: readonly PartyId[]) => Promise<ReadonlyMap<PartyId, AnnouncedProxy>>
}

/**
 * Keys of capsules that m proxies re-encrypted for us. Whoever asked keeps them, wrapped by the master key, in the turn of
 * their patient, and then they are not asked for again until a purge.
 */
export class OpenedCapsules {
  constructor(private readonly parts: OpeningParts) {}

  /**
   * The opened capsules by hex of their id; capsules of one call are of one patient's policies.
   * @throws ConsentryError `unavailable` when fewer than m proxies give a correct fragment
   */
  async open(capsules: readonly ForeignCapsule[], terms: AskingTerms): Promise<Map<string, OpenedCapsule>> {
    const wanted = new Map(capsules.map((foreign) => [capsuleIdOf(foreign.capsule).toString('hex'), foreign]))
    const keys = await this.#kept([...wanted.keys()])
    const missing = [...wanted].filter(([id]) => !keys.has(id))
    for (const group of byProxies(missing.map(([, foreign]) => foreign))) {
      for (const [id, key] of await this.#ask(group, terms)) keys.set(id, key)
    }
    return new Map([...wanted].map(([id, foreign]) => [id, { foreign, key: keys.get(id) as Uint8Array }]))
  }

  async #kept(ids: readonly string[]): Promise<Map<string, Uint8Array>> {
    const { rows } = await this.parts.sql.query<{ id: Buffer; wrapped_key: Buffer }>(
      'SELECT id, wrapped_key FROM capsule_key WHERE id = ANY($1::bytea[])',
      [ids.map((id) => Buffer.from(id, 'hex'))],
    )
    return new Map(
      rows.map(({ id, wrapped_key }) => {
        const name = id.toString('hex')
        return [name, unwrap(this.parts.master, wrapped_key, `capsule ${name}`)]
      }),
    )
  }

  /**
   * All proxies at once, after the trail tells of it; those that fail or lie, in their receipts too, are left out, and m correct answers
   * are enough.
   */
  async #ask(group: readonly ForeignCapsule[], terms: AskingTerms): Promise<Map<string, Uint8Array>> {
    const { entity, encryption, told } = this.parts
    const { threshold, proxies, patient } = (group[0] as ForeignCapsule).policy
    const capsules = group.map(({ capsule }) => capsuleIdOf(capsule).toString('base64'))
    const items = group.map(({ capsule, policy }): ReencryptionItems[number] => ({
      patient: policy.patient,
      label: labelId(policy.label),
      epoch: policy.epoch,
      capsules: [Buffer.from(capsule).toString('base64')],
    }))
    const event = await told.tell(patient, capsules)
    const asked = { grantee: entity, purpose: terms.purpose, categories: String(terms.categories), event, items }
    const answers = await this.#answers(proxies, asked)
    const opened = new Map<string, Uint8Array>()
    for (const [i, foreign] of group.entries()) {
      const frags = answers.flatMap((answer) => {
        const result = answer.status === 'fulfilled' ? answer.value.results[i] : undefined
        return result && 'capsuleFrags' in result ? verified(result.capsuleFrags[0], foreign, encryption) : []
      })
      if (frags.length < threshold) {
        throw new ConsentryError(
          'unavailable',
          `${frags.length} of ${proxies.length} proxies gave a correct fragment; ${threshold} are needed.`,
          { retryAfterSeconds: 5 },
        )
      }
      const capsule = Capsule.fromBytes(foreign.capsule)
      const key = decapsulateReencrypted(encryption, foreign.policy.policyKey, capsule, frags.slice(0, threshold))
      opened.set(capsuleIdOf(foreign.capsule).toString('hex'), key)
    }
    told.done(patient, capsules)
    return opened
  }

  /**
   * An answer counts once its receipts are kept. Where a proxy is, the ledger says: whoever shares with us wrote the package, and would have
   * us call whatever stands in it.
   */
  async #answers(proxies: readonly ProxyAddress[], asked: Asking): Promise<PromiseSettledResult<Reencrypted>[]> {
    const { operator, receipts, announced, answers } = this.parts
    const nodes = await announced(proxies.map(({ id }) => id))
    const settled = await Promise.allSettled(
      proxies.map(async ({ id }) => {
        const node = nodes.get(id)
        if (node === undefined) throw new ConsentryError('integrity', 'The ledger knows no receipt key of the proxy.')
        const answer = await requestReencryption({ id, endpoint: node.endpoint }, node.receiptKey, asked, operator)
        await receipts.keep(answer.receipts)
        return answer
      }),
    )
    settled.forEach((answer, i) => answers.note((proxies[i] as ProxyAddress).id, answer))
    return settled
  }

  /** Call it in the turn of the capsules' patient only. */
  async keep(opened: readonly OpenedCapsule[]): Promise<void> {
    const group = opened.map(({ foreign }) => foreign)
    const ids = group.map(({ capsule }) => capsuleIdOf(capsule))
    await this.parts.sql.query(
      `INSERT INTO capsule_key (id, capsule, patient, label_mask, author, epoch, wrapped_key, imported, created_at)
       SELECT i.*, true, $7 FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bigint[], $5::bytea[], $6::int[], $8::bytea[])
         AS i(id, capsule, patient, label_mask, author, epoch, wrapped_key)
       ON CONFLICT DO NOTHING`,
      [
        ids,
        group.map(({ capsule }) => Buffer.from(capsule)),
        group.map(({ policy }) => bytes(policy.patient)),
        group.map(({ policy }) => labelBits([policy.label])),
        group.map(({ author }) => bytes(author)),
        group.map(({ policy }) => policy.epoch),
        this.parts.clock(),
        opened.map(({ key }, i) =>
          Buffer.from(wrap(this.parts.master, key, `capsule ${(ids[i] as Buffer).toString('hex')}`)),
        ),
      ],
    )
  }
}

function verified(
  frag: string | undefined,
  { capsule, policy }: ForeignCapsule,
  receiver: SecretKey,
): VerifiedCapsuleFrag[] {
  try {
    const context = {
      capsule: Capsule.fromBytes(capsule),
      verifyingKey: policy.verifyingKey,
      delegating: policy.policyKey,
      receiving: receiver.publicKey,
    }
    return [CapsuleFrag.fromBytes(Buffer.from(frag ?? '', 'base64')).verify(context)]
  } catch {
    return []
  }
}

/** Policies of one grant share their proxies, so one request per proxy is enough. */
function byProxies(capsules: readonly ForeignCapsule[]): ForeignCapsule[][] {
  const groups = new Map<string, ForeignCapsule[]>()
  for (const foreign of capsules) {
    const name = JSON.stringify([foreign.policy.threshold, foreign.policy.proxies])
    const group = groups.get(name)
    if (group) group.push(foreign)
    else groups.set(name, [foreign])
  }
  return [...groups.values()]
}

/** SHA-256 of the capsule. */
export function capsuleIdOf(capsule: Uint8Array): Buffer {
  return createHash('sha256').update(capsule).digest()
}

function bytes(value: string): Buffer {
  return Buffer.from(value.slice(2), 'hex')
}

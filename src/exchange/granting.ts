import { createHash, randomBytes } from 'node:crypto'
import type { LabelCode } from '../consent/labels.js'
import { labelId } from '../consent/labels.js'
import type { ConsentMirror } from '../consent/mirror.js'
import type { Party } from '../consent/parties.js'
import type { PartyId, PatientId } from '../consent/permit.js'
import { ConsentryError } from '../errors.js'
import type { Hex } from '../ledger/hex.js'
import { DELIVERY_LIFE, keyFragPurpose } from '../proxy/protocol.js'
import type { BlockStore } from '../vault/blocks/block-store.js'
import { rawBlock } from '../vault/envelope.js'
import { policySecret, sealTo, signerOf } from '../vault/keys.js'
import { generateKeyFrags, PublicKey } from '../vault/pre/index.js'
import { sealPackage } from './grant-package.js'
import { deliverKeyFrag } from './proxies.js'

/** Policy keys are of epoch 0 until a patient claims its key. */
const EPOCH = 0
/** Proxies that a grant is split over, at most. */
const MAX_SHARES = 9

/** What a grant gives, and to whom. */
export interface Prepared {
  readonly patient: PatientId
  /** The patient's root secret. */
  readonly root: Uint8Array
  readonly grantee: PartyId
  readonly labels: readonly LabelCode[]
  /** The policy document beside the words, if there is one. */
  readonly policy?: Uint8Array
}

/**
 * Prepares what makes a grant usable: for each label a re-encryption key split over the proxies, each fragment sealed to
 * its proxy, and the package for the grantee as a block. The patient then signs a grant that names the package; proxies
 * re-encrypt nothing before the ledger holds it.
 */
export class Granting {
  constructor(
    private readonly mirror: ConsentMirror,
    private readonly blocks: BlockStore,
  ) {}

  /** @returns the SHA-256 of the package's block. @throws ConsentryError `invalid` for an unknown grantee, `unavailable` when too few proxies answer */
  async prepare({ patient, root, grantee, labels, policy }: Prepared): Promise<Hex> {
    const receiver = await this.#receiver(grantee)
    const proxies = await this.#proxies()
    const threshold = Math.floor(proxies.length / 2) + 1
    const signer = signerOf(root)
    const receiving = PublicKey.fromBytes(hexBytes(receiver.encryptionKey as string))
    const policies = labels.map((label) => ({ label, secret: policySecret(root, label, EPOCH) }))
    const deliveries = policies.flatMap(({ label, secret }) => {
      const options = { delegating: secret, receiving, signer, threshold, shares: proxies.length }
      return generateKeyFrags(options).map((frag, i) => {
        const proxy = proxies[i] as Party
        const delivery = {
          patient,
          grantee,
          label: labelId(label),
          epoch: EPOCH,
          policyKey: base64(secret.publicKey.toBytes()),
          verifyingKey: base64(signer.publicKey.toBytes()),
          receivingKey: base64(receiving.toBytes()),
          nonce: randomBytes(16).toString('base64url'),
          deadline: Math.floor(Date.now() / 1000) + DELIVERY_LIFE,
        }
        const to = PublicKey.fromBytes(hexBytes(proxy.encryptionKey as string))
        const sealed = sealTo(to, frag.toBytes(), keyFragPurpose(delivery))
        frag.destroy()
        return deliverKeyFrag(addressOf(proxy), { ...delivery, keyFrag: base64(sealed) })
      })
    })
    await requireThreshold(deliveries, proxies.length, threshold)
    const block = rawBlock(
      sealPackage(
        {
          patient,
          grantee,
          threshold,
          verifyingKey: signer.publicKey.toBytes(),
          policies: policies.map(({ label, secret }) => ({
            label,
            epoch: EPOCH,
            policyKey: secret.publicKey.toBytes(),
          })),
          proxies: proxies.map(addressOf),
          ...(policy === undefined ? {} : { policy }),
        },
        receiving,
      ),
    )
    await this.blocks.put([block])
    return `0x${createHash('sha256').update(block.bytes).digest('hex')}`
  }

  async #receiver(grantee: PartyId): Promise<Party> {
    const party = await this.mirror.party(grantee)
    if (party?.status === 'active' && party.encryptionKey !== null) return party
    throw new ConsentryError('invalid', 'The grantee is not an active party of the ledger with an encryption key.', {
      code: 'not-found',
      expression: ['Consent.provision.actor'],
    })
  }

  async #proxies(): Promise<Party[]> {
    const known = await this.mirror.partiesOfKind('proxy')
    const serving = known.filter(
      ({ status, endpoint, encryptionKey }) => status === 'active' && endpoint && encryptionKey,
    )
    if (serving.length > 0) return serving.slice(0, MAX_SHARES)
    throw new ConsentryError('unavailable', 'No re-encryption proxy is registered on the ledger.', {
      retryAfterSeconds: 30,
    })
  }
}

/** All labels need fragments at m proxies at least; a proxy that is down now cannot serve this grant later. */
async function requireThreshold(
  deliveries: readonly Promise<void>[],
  shares: number,
  threshold: number,
): Promise<void> {
  const outcomes = await Promise.allSettled(deliveries)
  for (let first = 0; first < outcomes.length; first += shares) {
    const stored = outcomes.slice(first, first + shares).filter(({ status }) => status === 'fulfilled').length
    if (stored < threshold) {
      throw new ConsentryError(
        'unavailable',
        `Only ${stored} of ${shares} proxies took their fragment; ${threshold} are needed.`,
        {
          retryAfterSeconds: 10,
        },
      )
    }
  }
}

function addressOf(proxy: Party): { id: PartyId; endpoint: string } {
  return { id: proxy.id, endpoint: proxy.endpoint as string }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

function hexBytes(hex: string): Uint8Array {
  return Buffer.from(hex.slice(2), 'hex')
}

import { randomBytes } from 'node:crypto'
import type { Wallet } from 'ethers'
import type { Hex } from '../ledger/hex.js'
import { walletOf } from '../ledger/wallet.js'
import type { Keystore } from '../vault/keystore.js'
import { SecretKey } from '../vault/pre/index.js'

/** The secrets of an entity, by their names in the keystore. */
export interface EntityKeys {
  /** The entity's random id on the ledger. */
  readonly id: Hex
  /** Controls the entity on the ledger, sends its transactions and signs its envelopes. */
  readonly operator: Wallet
  readonly author: SecretKey
  /** What others seal for the entity. */
  readonly encryption: SecretKey
  /** Wraps capsule keys and root secrets in rows. */
  readonly master: Uint8Array
  readonly index: Uint8Array
  /** Policy keys of records that belong to no patient. */
  readonly root: Uint8Array
}

/** Made at the first start, then always the same. */
export async function entityKeys(keystore: Keystore): Promise<EntityKeys> {
  const scalar = (): Uint8Array => SecretKey.random().expose().slice()
  const operator = SecretKey.fromScalar(await keystore.getOrCreate('operator', scalar))
  return {
    id: hex(await keystore.getOrCreate('entity', () => new Uint8Array(randomBytes(32)))),
    operator: walletOf(operator),
    author: operator,
    encryption: SecretKey.fromScalar(await keystore.getOrCreate('encryption', scalar)),
    master: await keystore.getOrCreate('master'),
    index: await keystore.getOrCreate('index'),
    root: await keystore.getOrCreate('root'),
  }
}

/** The administrator's key, which only the data directory that deployed the contracts has. */
export async function administratorKey(keystore: Keystore): Promise<Wallet> {
  const scalar = await keystore.getOrCreate('administrator', () => SecretKey.random().expose().slice())
  return walletOf(SecretKey.fromScalar(scalar))
}

function hex(bytes: Uint8Array): Hex {
  return `0x${Buffer.from(bytes).toString('hex')}`
}

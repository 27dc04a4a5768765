import { Transaction, verifyMessage, Wallet } from 'ethers'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { walletOf } from '../../src/ledger/wallet.js'
import { SecretKey } from '../../src/vault/pre/index.js'
import { nativeGroup } from '../../src/vault/pre/native-group.js'
import { nobleGroup } from '../../src/vault/pre/noble-group.js'

const secret = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .filter((bytes) => bytes.some((byte) => byte !== 0) && bytes[0] !== 255)

it.each([nativeGroup ?? nobleGroup, nobleGroup])('is the wallet that ethers makes of the same key', (group) => {
  fc.assert(
    fc.property(secret, fc.uint8Array({ minLength: 32, maxLength: 32 }), (scalar, digest) => {
      const key = SecretKey.fromScalar(scalar, group)
      const signDigest = (bytes: Uint8Array) => key.signDigest(bytes, group)
      const ours = walletOf({ publicKey: key.publicKey, expose: () => key.expose(), signDigest })
      const theirs = new Wallet(`0x${Buffer.from(scalar).toString('hex')}`)
      const of = (wallet: Wallet) => [
        wallet.address,
        wallet.privateKey,
        wallet.signingKey.publicKey,
        wallet.signingKey.compressedPublicKey,
        wallet.signingKey.sign(digest).serialized,
      ]
      expect(of(ours)).toEqual(of(theirs))
    }),
    { numRuns: 50 },
  )
})

it('signs transactions and messages, and no digest of another length', async () => {
  const wallet = walletOf(SecretKey.random())
  const transaction = { chainId: 31_337, nonce: 3, to: wallet.address, data: '0x', gasLimit: 21_000n, gasPrice: 1n }
  expect(Transaction.from(await wallet.signTransaction(transaction)).from).toBe(wallet.address)
  expect(verifyMessage('ask', await wallet.signMessage('ask'))).toBe(wallet.address)
  expect(() => wallet.signingKey.sign(new Uint8Array(31))).toThrow('digest length')
})

import { expect, it } from 'vitest'
import { TrailSealing } from '../../src/gateway/trail-sealing.js'
import { type CapsuleKey, newCapsuleKey } from '../../src/vault/keys.js'
import { capsuleOfRow } from '../../src/vault/row-seal.js'
import { SecretKey } from '../../src/vault/pre/index.js'
import { DirectSealer } from '../../src/vault/sealing-thread.js'

const policy = SecretKey.random().publicKey
const item = { id: 'AuditEvent/a', version: 1, body: Buffer.from('{}'), patient: null }
const turn = () => new Promise((done) => setImmediate(done))

it('seals under the key of the day, under the last one while the next is made, and when it cannot be made', async () => {
  let now = 0
  let key: CapsuleKey = newCapsuleKey(policy)
  let fails = false
  const problems: unknown[] = []
  const keys = {
    forTrail: async () => {
      if (fails) throw new Error('no database')
      return key
    },
  }
  const sealer = new DirectSealer({ id: Buffer.alloc(32, 1), key: SecretKey.random() })
  const { seal } = await TrailSealing.open(
    keys,
    sealer,
    () => now,
    (error) => void problems.push(error),
  )
  const capsule = async () => Buffer.from(capsuleOfRow((await seal([item]))[0]?.body as Uint8Array))
  const first = key
  expect(await capsule()).toEqual(Buffer.from(first.capsule))

  const second = newCapsuleKey(policy)
  key = second
  now = 86_400_000
  expect(await capsule()).toEqual(Buffer.from(first.capsule))
  await turn()
  expect(await capsule()).toEqual(Buffer.from(second.capsule))

  fails = true
  now *= 2
  await capsule()
  await turn()
  expect(await capsule()).toEqual(Buffer.from(second.capsule))
  expect(problems).not.toHaveLength(0)
  fails = false
  key = newCapsuleKey(policy)
  await turn()
  await capsule()
  await turn()
  expect(await capsule()).toEqual(Buffer.from(key.capsule))
})

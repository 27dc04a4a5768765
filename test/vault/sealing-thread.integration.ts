import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { AUDIT } from '../../src/consent/labels.js'
import { MAX_BLOCK } from '../../src/vault/envelope.js'
import { newCapsuleKey } from '../../src/vault/keys.js'
import { open } from '../../src/vault/open.js'
import { MAX_BODY } from '../../src/vault/payload.js'
import { PublicKey, SecretKey } from '../../src/vault/pre/index.js'
import { openRow } from '../../src/vault/row-seal.js'
import type { SealItem } from '../../src/vault/seal.js'
import { SealingThread } from '../../src/vault/sealing-thread.js'
import { built } from '../support/built.js'
import { permitFor } from './support/permits.js'
import { author, capsuleKeys, fetched, openingKeys, subject } from './support/records.js'

const script = pathToFileURL(built('vault/sealing-worker.js'))
const threads: SealingThread[] = []
afterEach(() => Promise.all(threads.splice(0).map((thread) => thread.close())))

function thread(): SealingThread {
  const made = new SealingThread(author, script)
  threads.push(made)
  return made
}

/** Of all sizes up to several blocks, under one to three labels. */
function records(count: number, from = 0): SealItem[] {
  const keys = [1, 2, 3].map((labels) => capsuleKeys.slice(0, labels))
  return Array.from({ length: count }, (_, i) => ({
    id: `Observation/o${from + i}`,
    version: i + 1,
    body: Buffer.alloc((i * 7919) % (2 * MAX_BLOCK), `${from + i} Größe`),
    keys: keys[i % 3] as SealItem['keys'],
    ...(i % 4 === 3 ? {} : { subject: { patient: subject.patient, labels: subject.labels } }),
  }))
}

describe('the sealing thread', () => {
  it('gives for many jobs at once each its own records, which open as what they were', async () => {
    const sealing = thread()
    const jobs = [records(40), records(5, 100), records(2, 200), records(30, 300)]
    const sealed = await Promise.all(jobs.map((job) => sealing.seal(job)))
    for (const [j, job] of jobs.entries()) {
      for (const [i, { id, version, body }] of job.entries()) {
        const one = sealed[j]![i]!
        const opened = open(permitFor(subject), fetched(one, { id, version }), openingKeys)
        expect(Buffer.from(opened.body).equals(Buffer.from(body))).toBe(true)
      }
    }
    expect(sealed.map((all) => all.length)).toEqual([40, 5, 2, 30])
  })

  it('leaves the caller its bodies and keys', async () => {
    const items = records(6)
    const before = items.map(({ body, keys }) => [Buffer.from(body), ...keys.map(({ key }) => Buffer.from(key))])
    await thread().seal(items)
    expect(items.map(({ body, keys }) => [Buffer.from(body), ...keys.map(({ key }) => Buffer.from(key))])).toEqual(
      before,
    )
  })

  it('remembers its own signatures', async () => {
    const [{ id, version }] = records(1) as [SealItem]
    const [first] = await thread().seal(records(4))
    const verify = vi.spyOn(PublicKey.prototype, 'verify')
    open(permitFor(subject), fetched(first!, { id, version }), openingKeys)
    expect(verify).not.toHaveBeenCalled()
    verify.mockRestore()
  })

  it('seals rows', async () => {
    const key = newCapsuleKey(SecretKey.random().publicKey)
    const items = Array.from({ length: 50 }, (_, i) => ({
      id: `AuditEvent/${i}`,
      version: 1,
      body: Buffer.from(`{"n":${i}}`),
      subject: { patient: i % 2 ? subject.patient : null, labels: AUDIT },
    }))
    const rows = await thread().sealRows(items, key)
    const opened = rows.map(({ body }) => openRow(body, author.id, key.key))
    const told = ({ id, body, subject: bound }: Pick<(typeof opened)[number], 'id' | 'body' | 'subject'>) => [
      id,
      Buffer.from(body).toString(),
      bound?.patient,
    ]
    expect(opened.map(told)).toEqual(items.map(told))
  })

  it('says why it refuses, and goes on', async () => {
    const sealing = thread()
    const big = { ...records(1)[0]!, body: new Uint8Array(MAX_BODY + 1) }
    await expect(sealing.seal([big, ...records(5)])).rejects.toMatchObject({ kind: 'too-large' })
    expect(await sealing.seal(records(5))).toHaveLength(5)
  })

  it('fails what waits when the thread dies, and starts another', async () => {
    const sealing = thread()
    const post = vi.spyOn(Worker.prototype, 'postMessage')
    const waiting = sealing.seal(records(40))
    const worker = post.mock.contexts[0] as Worker
    post.mockRestore()
    await Promise.all([worker.terminate(), expect(waiting).rejects.toMatchObject({ kind: 'internal' })])
    expect(await sealing.seal(records(5))).toHaveLength(5)
  })

  it('ends what waits when it is closed', async () => {
    const sealing = thread()
    const waiting = sealing.seal(records(40))
    await Promise.all([sealing.close(), expect(waiting).rejects.toMatchObject({ kind: 'internal' })])
  })
})

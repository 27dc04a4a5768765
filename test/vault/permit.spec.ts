import { describe, expect, it } from 'vitest'
import { type Action, Permit, type RecordSubject } from '../../src/consent/permit.js'
import { open, PERMIT_LIFETIME } from '../../src/vault/open.js'
import { permitFor } from './support/permits.js'
import { fetched, openingKeys, sealOne, subject } from './support/records.js'

const sealed = fetched(sealOne(Buffer.from('{"resourceType":"Basic"}')))
const opened = (permit: Permit) => Buffer.from(open(permit, sealed, openingKeys).body).toString()

describe('open', () => {
  it.each<Action>(['read', 'export', 'subscribe', 'update'])('takes a permit to %s', (action) => {
    expect(opened(permitFor(subject, action))).toBe('{"resourceType":"Basic"}')
  })

  it.each<Action>(['create', 'delete'])('refuses a permit to %s', (action) => {
    expect(() => opened(permitFor(subject, action))).toThrowError('No permit covers this record.')
  })

  const others: [string, Partial<RecordSubject>][] = [
    ['another patient', { patient: `0x${'01'.repeat(32)}` }],
    ['no patient', { patient: null }],
    ['another author', { origin: `0x${'02'.repeat(32)}` }],
    ['other labels', { labels: 2n }],
    ['other categories', { categories: 2n }],
  ]
  it.each(others)('refuses a permit for a record of %s', (_, difference) => {
    expect(() => opened(permitFor({ ...subject, ...difference }))).toThrowError('No permit covers this record.')
  })

  it('refuses a permit that was kept', () => {
    expect(opened(permitFor(subject, 'read', Date.now() - PERMIT_LIFETIME + 60_000))).toBeTruthy()
    expect(() => opened(permitFor(subject, 'read', Date.now() - PERMIT_LIFETIME - 1))).toThrowError(/decide again/)
  })

  it('refuses whatever only looks like a permit', () => {
    const real = permitFor(subject)
    const shaped = { action: 'read', purpose: 'TREAT', decidedAt: Date.now(), covers: () => true }
    const forgeries: unknown[] = [
      shaped,
      Object.assign(Object.create(Permit.prototype) as object, shaped),
      { ...real, covers: () => true },
      new Proxy(real, {}),
      structuredClone({ ...real }),
      null,
      undefined,
      'permit',
    ]
    for (const forgery of forgeries)
      expect(() => opened(forgery as Permit)).toThrowError('No permit covers this record.')
    const constructor = Permit as unknown as new (...args: unknown[]) => Permit
    expect(() => new constructor(Symbol('permit'), 'read', 'TREAT', Date.now(), [subject])).toThrowError(/only be made/)
  })

  it('asks for no key and touches no block without a permit', () => {
    const untouchable = {
      capsuleKey: () => expect.unreachable('asked for a capsule key'),
      authorKeys: () => expect.unreachable('asked for author keys'),
    }
    const nothing = { ...sealed, envelope: new Uint8Array(0) }
    expect(() => open({} as Permit, nothing, untouchable)).toThrowError('No permit covers this record.')
  })
})

import { describe, expect, it } from 'vitest'
import { ALL_LABELS, ALL_LABELS_ID, GENERAL, labelId } from '../../src/consent/labels.js'
import { grantRows } from '../../src/consent/grant-rows.js'
import { foldParty, type PartyEvent, partyOf } from '../../src/consent/parties.js'
import { FLAG_CUSTODY, FLAG_POLICY } from '../../src/consent/word.js'

const id = (n: number) => `0x${n.toString(16).padStart(64, '0')}` as const
const patient = id(1)
const grantee = id(200)
const GENERAL_ID = labelId('general')

interface Terms {
  readonly from?: number
  readonly to?: number
  readonly purposes?: number
  readonly categories?: bigint
  readonly flags?: number
}
/** The word as the event carries it, and as the mirror keeps events: numbers beyond 2^53 as text. */
function packed({ from = 10, to = 100, purposes = 1, categories = 7n, flags = 0 }: Terms): string {
  const word =
    BigInt(from) | (BigInt(to) << 40n) | (BigInt(purposes) << 80n) | (categories << 112n) | (BigInt(flags) << 208n)
  return `${word | (1_700_000_000n << 224n)}`
}
const granted = (block: number, terms: Terms = {}, label: string = GENERAL_ID, actions = 1) => ({
  contract: 'ConsentRegistry' as const,
  name: 'ConsentGranted',
  args: { patient, grantee, label, actions, consent: packed(terms) },
  block,
})
const revoked = (block: number, label: string = GENERAL_ID, actions = 1) => ({
  contract: 'ConsentRegistry' as const,
  name: 'ConsentRevoked',
  args: { patient, grantee, label, actions },
  block,
})
const pinned = (block: number, policyHash: string, label: string = GENERAL_ID, actions = 1) => ({
  contract: 'ConsentRegistry' as const,
  name: 'PolicyPinned',
  args: { patient, grantee, label, actions, policyHash },
  block,
})
const everything = (block: number) => ({
  contract: 'ConsentRegistry' as const,
  name: 'AllConsentsRevoked',
  args: { patient, epoch: 1 },
  block,
})
const broken = (block: number) => ({
  contract: 'ConsentRegistry' as const,
  name: 'GlassBroken',
  args: { patient, grantee, consent: packed({ purposes: 128, flags: 8 }), reasonHash: id(4) },
  block,
})
const veto = (block: number, vetoed: boolean) => ({
  contract: 'ConsentRegistry' as const,
  name: 'EmergencyVetoChanged',
  args: { patient, vetoed },
  block,
})
type Event = ReturnType<
  typeof granted | typeof pinned | typeof revoked | typeof everything | typeof broken | typeof veto
>
const rows = (events: readonly Event[], finalized = 1_000) => grantRows(patient, events, finalized)

describe('the rows of a patient’s history', () => {
  it('has one for each label and action of a grant, as its word says', () => {
    const found = rows([granted(5, {}, GENERAL_ID, 0b101), granted(6, { categories: 2n ** 64n - 1n }, ALL_LABELS_ID)])
    expect(found.map(({ mask, action }) => [mask, action])).toEqual([
      [GENERAL, 0],
      [GENERAL, 2],
      [ALL_LABELS, 0],
    ])
    expect(found[0]?.word).toMatchObject({ from: 10, to: 100, purposes: 1, categories: 7n })
    expect(found[2]?.word.categories).toBe(2n ** 64n - 1n)
  })

  it('has none for a label that this gateway does not know', () => {
    expect(rows([granted(5, {}, id(77))])).toEqual([])
    expect(rows([granted(5), revoked(6, id(77))])).toHaveLength(1)
  })

  it('names the policy document of a word, and none that anybody has until the event that says which', () => {
    const policies = (...given: Parameters<typeof rows>) => rows(...given).map(({ word }) => word.policies)
    const narrowed = granted(5, { flags: FLAG_POLICY })
    expect(policies([narrowed])).toEqual([[id(0)]])
    expect(policies([narrowed, pinned(5, id(70))])).toEqual([[id(70)]])
    expect(policies([granted(4), narrowed, pinned(5, id(70))])).toEqual([[id(70)]])
    expect(policies([narrowed, pinned(5, id(70)), granted(6)])).toEqual([undefined])
    // Until it is final, what replaces a word with a policy may still be undone: both policies bind.
    expect(policies([narrowed, pinned(5, id(70)), granted(6)], 5)).toEqual([[id(70)]])
    const again = [granted(6, { flags: FLAG_POLICY | FLAG_CUSTODY }), pinned(6, id(71))]
    expect(policies([narrowed, pinned(5, id(70)), ...again], 5)).toEqual([[id(70), id(71)]])
    expect(policies([granted(5), ...again], 5)).toEqual([[id(71)]])
  })

  it('ends with a revocation of that label and action, and of nothing else', () => {
    expect(rows([granted(5, {}, GENERAL_ID, 0b11), revoked(6, GENERAL_ID, 0b10)]).map((r) => r.action)).toEqual([0])
    expect(rows([granted(5), revoked(6, labelId('PSY'))])).toHaveLength(1)
    // All labels is a key of its own, on the ledger too.
    expect(rows([granted(5), revoked(6, ALL_LABELS_ID)])).toHaveLength(1)
  })

  it('ends with a revocation of everything, and begins again after it', () => {
    const psy = granted(6, {}, labelId('PSY'))
    expect(rows([granted(5), psy, everything(7)])).toEqual([])
    expect(rows([granted(5), psy, everything(7), granted(8)]).map((r) => r.mask)).toEqual([GENERAL])
  })
})

describe('a broken glass', () => {
  const EMERGENCY = 6

  it('is a row of its own, for all labels, beside what was granted', () => {
    const found = rows([granted(5, {}, ALL_LABELS_ID), broken(6)])
    expect(found.map(({ mask, action }) => [mask, action])).toEqual([
      [ALL_LABELS, 0],
      [ALL_LABELS, EMERGENCY],
    ])
    expect(found[1]?.word).toMatchObject({ from: 10, to: 100, purposes: 128 })
  })

  it('ends with the revocation of its own action and with that of everything, not with that of a grant', () => {
    const ends = (event: Event) => !rows([broken(5), event]).some(({ action }) => action === EMERGENCY)
    expect(ends(revoked(6, ALL_LABELS_ID, 0b1000000))).toBe(true)
    expect(ends(everything(6))).toBe(true)
    expect(ends(revoked(6, ALL_LABELS_ID, 0b0111111))).toBe(false)
    expect(ends(revoked(6, GENERAL_ID, 0b1000000))).toBe(false)
  })

  it('is shut while the patient forbids it, and open again after that, as on the ledger', () => {
    expect(rows([granted(4), broken(5), veto(6, true)]).map(({ action }) => action)).toEqual([0])
    expect(rows([broken(5), veto(6, true), veto(7, false)])).toHaveLength(1)
  })

  it('counts when its block is final; a veto counts at once, and its end when that is final', () => {
    expect(rows([broken(5)], 4)).toEqual([])
    expect(rows([broken(5)], 5)).toHaveLength(1)
    expect(rows([broken(5), veto(6, true)], 5)).toEqual([])
    expect(rows([broken(5), veto(6, true), veto(7, false)], 6)).toEqual([])
    expect(rows([broken(5), veto(6, true), veto(7, false)], 7)).toHaveLength(1)
  })
})

describe('asymmetric finality', () => {
  it('counts a grant once its block is final, and not before', () => {
    expect(rows([granted(5)], 4)).toEqual([])
    expect(rows([granted(5)], 5)).toHaveLength(1)
    expect(rows([granted(5)], -1)).toEqual([])
  })

  it('counts a revocation at once, whatever is final', () => {
    expect(rows([granted(5), revoked(9)], 5)).toEqual([])
    expect(rows([granted(5), everything(9)], 5)).toEqual([])
  })

  it('does not let a grant that is not final bring back what was revoked', () => {
    expect(rows([granted(5), revoked(6), granted(7)], 6)).toEqual([])
    expect(rows([granted(5), everything(6), granted(7)], 5)).toEqual([])
  })

  it('permits only what both allow while a replacement is not final', () => {
    const wide = { from: 0, to: 100, purposes: 0b11, categories: 0b110n }
    const other = { from: 50, to: 200, purposes: 0b110, categories: 0b11n }
    const [row] = rows([granted(5, wide), granted(9, other)], 5)
    expect(row?.word).toMatchObject({ from: 50, to: 100, purposes: 0b10, categories: 0b10n })
    expect(rows([granted(5, wide), granted(9, other)], 9)[0]?.word).toMatchObject({
      from: 50,
      to: 200,
      purposes: 0b110,
    })
    expect(rows([granted(5, { purposes: 1 }), granted(9, { purposes: 2 })], 5)).toEqual([])
  })
})

describe('a party', () => {
  const entity = id(300)
  const registered: PartyEvent = {
    name: 'EntityRegistered',
    args: {
      entity,
      controller: `0x${'Ab'.repeat(20)}`,
      validFrom: 5,
      validTo: 2 ** 40 - 1,
      credential: id(0),
      encryptionKey: `0x02${'11'.repeat(32)}`,
      endpoint: 'https://a.example',
    },
  }
  const changes = (...events: PartyEvent[]) => foldParty(entity, [registered, ...events])

  it('is what its registration says, in lower case', () => {
    expect(changes()).toMatchObject({
      kind: 'entity',
      status: 'active',
      controller: `0x${'ab'.repeat(20)}`,
      validFrom: 5,
      endpoint: 'https://a.example',
      operators: [],
    })
    expect(foldParty(entity, [])).toBeNull()
    expect(foldParty(entity, [{ name: 'StatusChanged', args: { party: entity, status: 1 } }])).toBeNull()
  })

  it('is pending until it authenticates, when its registration names a credential', () => {
    const pending: PartyEvent = { ...registered, args: { ...registered.args, credential: id(9) } }
    expect(foldParty(entity, [pending])?.status).toBe('pending')
    expect(foldParty(entity, [pending, { name: 'PartyAuthenticated', args: { party: entity } }])?.status).toBe('active')
  })

  it('follows status, validity, keys, endpoint, operators and controller', () => {
    const operator = `0x${'Cd'.repeat(20)}`
    const party = changes(
      { name: 'StatusChanged', args: { party: entity, status: 2 } },
      { name: 'ValidityChanged', args: { party: entity, validFrom: 1, validTo: 2 } },
      { name: 'EncryptionKeyChanged', args: { party: entity, encryptionKey: `0x03${'22'.repeat(32)}` } },
      { name: 'EndpointChanged', args: { party: entity, endpoint: '' } },
      { name: 'OperatorAdded', args: { entity, operator } },
      { name: 'OperatorAdded', args: { entity, operator: operator.toLowerCase() } },
      { name: 'ControllerChanged', args: { party: entity, controller: `0x${'00'.repeat(20)}` } },
    )
    expect(party).toMatchObject({
      status: 'suspended',
      validFrom: 1,
      validTo: 2,
      encryptionKey: `0x03${'22'.repeat(32)}`,
      endpoint: null,
      operators: [operator.toLowerCase()],
      controller: null,
    })
    const without = changes(
      { name: 'OperatorAdded', args: { entity, operator } },
      { name: 'OperatorRemoved', args: { entity, operator } },
    )
    expect(without?.operators).toEqual([])
  })

  it.each([
    [1, 'active'],
    [2, 'suspended'],
    [3, 'revoked'],
    [4, 'pending'],
    [9, 'revoked'],
  ])('has status %i of the contract as %s: what is unknown is not active', (status, name) => {
    expect(changes({ name: 'StatusChanged', args: { party: entity, status } })?.status).toBe(name)
  })

  it('knows a patient by its registrar and the commitment to its key, in custody when nobody controls it', () => {
    const args = { patient, entity, controller: `0x${'00'.repeat(20)}`, keyCommitment: id(5) }
    const event: PartyEvent = { name: 'PatientRegistered', args }
    expect(partyOf(event)).toBe(patient)
    expect(foldParty(patient, [event])).toMatchObject({
      kind: 'patient',
      parent: entity,
      controller: null,
      keyCommitment: id(5),
    })
    expect(partyOf({ name: 'AdministratorChanged', args: {} })).toBeNull()
  })
})

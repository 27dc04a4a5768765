import { readFileSync } from 'node:fs'
import { getAddress } from 'ethers'
import { expect, it } from 'vitest'
import { ANY_ENTITY, ANY_ENTITY_CONTROLLER, countingParties } from '../../src/consent/parties.js'
import type { PartyId } from '../../src/consent/permit.js'

const party = (n: number): PartyId => `0x${n.toString(16).padStart(64, '0')}`
const [entity, practitioner] = [party(1), party(2)]

it.each<[string, PartyId[], PartyId[]]>([
  ['an active entity', [entity, ANY_ENTITY], [entity, ANY_ENTITY]],
  ['an active entity and its practitioner', [entity, practitioner, ANY_ENTITY], [entity, practitioner, ANY_ENTITY]],
  ['the practitioner of a suspended entity', [practitioner, ANY_ENTITY], [practitioner]],
  ['a suspended entity', [ANY_ENTITY], []],
  ['an active entity where nobody stands for every one', [entity], [entity]],
])('what is given to every active entity counts for %s or not', (_, active, counting) => {
  expect([...countingParties(entity, new Set(active))]).toEqual(counting)
})

it('is one party by its id and address for ever', () => {
  expect(ANY_ENTITY).toBe('0x68a3c6acee07dc8b11a7e6a82e256f4865bf13ba2a679af554666d64df4cf533')
  expect(getAddress(ANY_ENTITY_CONTROLLER).toLowerCase()).toBe(ANY_ENTITY_CONTROLLER)
})

it('is registered in a consortium by the line that contracts/README.md gives', () => {
  const readme = readFileSync(new URL('../../contracts/README.md', import.meta.url), 'utf8')
  const [, line = '{}'] = /npm run register -- entity '(.*)'/.exec(readme) ?? []
  expect(JSON.parse(line)).toEqual({
    id: ANY_ENTITY,
    controller: ANY_ENTITY_CONTROLLER,
    encryptionKey: `0x02${ANY_ENTITY.slice(2)}`,
    endpoint: '',
  })
})

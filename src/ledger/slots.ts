import { keccak256 } from 'ethers'
import type { Hex } from './hex.js'

/** What a consent word is kept under. */
export interface ConsentKey {
  readonly patient: Hex
  readonly grantee: Hex
  readonly label: Hex
  readonly action: number
}

/** Where the compiler has put the mappings (`forge inspect … storageLayout`); the contracts never change. */
const ACCOUNTS = 3
const POLICIES = 4
const STANDINGS = 3

/*
 * Slots of the words that `check` reads (contracts/README.md, "Storage"), worked out without asking anybody: whoever verifies a
 * proof must know by itself where a word is.
 */

/** In ConsentRegistry: `slotOf`. */
export function consentSlot({ patient, grantee, label, action }: ConsentKey): Hex {
  return hashOf(patient, grantee, label, word(action))
}

/** In ConsentRegistry: hash of the policy document that is pinned beside a word. */
export function policySlot(key: ConsentKey): Hex {
  return hashOf(consentSlot(key), word(POLICIES))
}

/** In ConsentRegistry: `accountSlotOf`. */
export function accountSlot(patient: Hex): Hex {
  return hashOf(patient, word(ACCOUNTS))
}

/** In IdentityRegistry. */
export function standingSlot(party: Hex): Hex {
  return hashOf(party, word(STANDINGS))
}

function hashOf(...words: readonly Hex[]): Hex {
  return keccak256(`0x${words.map((one) => one.slice(2)).join('')}`) as Hex
}

function word(value: number): Hex {
  return `0x${value.toString(16).padStart(64, '0')}`
}

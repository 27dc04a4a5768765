import type { Action } from './permit.js'

/** Positions are the contract's uint8 actions and bits of its action masks. */
export const ACTIONS: readonly Action[] = ['read', 'create', 'update', 'delete', 'export', 'subscribe']

/**
 * Purposes of use (https://terminology.hl7.org/ValueSet-v3-PurposeOfUse.html) that a grant can name. Positions are
 * bits of the contract's purpose mask.
 */
export const PURPOSES = ['TREAT', 'ETREAT', 'HPAYMT', 'HOPERAT', 'HRESCH', 'PUBHLTH', 'PATRQT', 'BTG'] as const
export type Purpose = (typeof PURPOSES)[number]

/**
 * What a word of the ledger permits: an action, or what breaking the glass opens. The contract keeps that in a word of its own, under
 * the number after the actions, which no grant writes.
 */
export type WordAction = Action | 'emergency'
export const WORD_ACTIONS: readonly WordAction[] = [...ACTIONS, 'emergency']

/** Whose words answer the question: to break the glass the emergency word alone, for reading and nothing else (`null`: none does). */
export function wordAsked(action: Action, purpose: Purpose): WordAction | null {
  if (purpose !== 'BTG') return action
  return action === 'read' ? 'emergency' : null
}

/**
 * Clinical categories (US Core's groups of data). Positions are bits of the contract's category mask;
 * bit 0 takes whatever has no category of its own.
 */
export const CATEGORIES = [
  'uncategorised',
  'demographics',
  'problems',
  'allergies',
  'medications',
  'immunizations',
  'laboratory',
  'vital-signs',
  'clinical-notes',
  'imaging',
  'procedures',
  'care-plans',
  'encounters',
  'coverage',
  'consents',
  'social-history',
  'devices',
  'assessments',
  'family-history',
] as const
export type Category = (typeof CATEGORIES)[number]

/** uint64 with every bit set: a grant that is not limited by category. */
export const ALL_CATEGORIES = (1n << 64n) - 1n

/** The end of a grant without an end: the largest uint40 of seconds. */
export const OPEN_END = 2 ** 40 - 1

function position<T extends string>(terms: readonly T[], term: T): number {
  return terms.indexOf(term)
}

export const actionNumber = (action: WordAction): number => position(WORD_ACTIONS, action)
export const actionMask = (actions: Iterable<Action>): number => maskOf(ACTIONS, actions)
export const purposeMask = (purposes: Iterable<Purpose>): number => maskOf(PURPOSES, purposes)
export const isPurpose = (code: string): code is Purpose => (PURPOSES as readonly string[]).includes(code)
export const isCategory = (code: string): code is Category => (CATEGORIES as readonly string[]).includes(code)

export function categoryBits(categories: Iterable<Category>): bigint {
  let bits = 0n
  for (const category of categories) bits |= 1n << BigInt(position(CATEGORIES, category))
  return bits === 0n ? 1n : bits
}

export const actionsOf = (mask: number): Action[] => ACTIONS.filter((_, i) => (mask & (1 << i)) !== 0)
export const purposesOf = (mask: number): Purpose[] => PURPOSES.filter((_, i) => (mask & (1 << i)) !== 0)

function maskOf<T extends string>(terms: readonly T[], chosen: Iterable<T>): number {
  let mask = 0
  for (const term of chosen) mask |= 1 << position(terms, term)
  return mask
}

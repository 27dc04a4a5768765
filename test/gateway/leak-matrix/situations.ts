import { ALL_CATEGORIES, categoryBits, OPEN_END, type Purpose } from '../../../src/consent/terms.js'
import type { LabelCode } from '../../../src/consent/labels.js'

/** What a party may do with what is hidden, in which nothing of it is to be learnt; `see` what one with a grant may. */
export interface Situation {
  readonly name: string
  /** What `hidden` grants; of `public` the labels but `general` are granted beside it. */
  readonly grant?: {
    readonly labels: readonly LabelCode[]
    readonly purposes?: readonly Purpose[]
    readonly categories?: bigint
    /** Seconds from now. */
    readonly from?: number
    readonly to?: number
  }
  /** Milliseconds by which the clock is ahead when it asks. */
  readonly ahead?: number
  readonly afterwards?: 'revoked' | 'suspended'
  /** The status of what it asks about its own patient, who has granted. */
  readonly own: 200 | 403 | 503
  /** All that each door is asked; else the first of it, since what decides is the same. */
  readonly thorough?: true
}

const FIRST = 3
export const asked = <A>({ thorough }: Situation, asks: readonly A[]): readonly A[] =>
  thorough === true ? asks : asks.slice(0, FIRST)

const HOUR = 3_600
/** Of a mirror, in seconds: `FRESHNESS_SECONDS` of the gateway, and the clock goes ahead by less, but where it is to be stale. */
export const FRESHNESS = 10 * HOUR
const EVERYTHING = ['general', 'PSY'] as const
const hours = (n: number): number => n * HOUR * 1_000
/** Consents are told under the labels that they grant, so a grant that has another label shows itself, unless its categories do not. */
const NO_CONSENTS = ALL_CATEGORIES & ~categoryBits(['consents'])

export const SITUATIONS: readonly Situation[] = [
  { name: 'no grant', own: 200, thorough: true },
  { name: 'other label', grant: { labels: ['HIV'], categories: NO_CONSENTS }, own: 200 },
  { name: 'other category', grant: { labels: EVERYTHING, categories: categoryBits(['imaging', 'devices']) }, own: 200 },
  { name: 'other purpose', grant: { labels: EVERYTHING, purposes: ['HRESCH'] }, own: 200 },
  { name: 'expired', grant: { labels: EVERYTHING, to: HOUR }, ahead: hours(2), own: 200 },
  { name: 'not yet valid', grant: { labels: EVERYTHING, from: HOUR }, own: 200 },
  { name: 'revoked', grant: { labels: EVERYTHING }, afterwards: 'revoked', own: 200, thorough: true },
  { name: 'suspended grantee', grant: { labels: EVERYTHING }, afterwards: 'suspended', own: 403 },
  { name: 'stale mirror', grant: { labels: EVERYTHING }, ahead: hours(20), own: 503, thorough: true },
]

/** Who sees all of it, so that a door that shows nothing to anybody is found out. */
export const SEEING: Situation = { name: 'a grant in force', grant: { labels: EVERYTHING }, own: 200 }
/** Whose grants are revoked while it asks. */
export const LEAVING: Situation = { name: 'leaving', own: 200 }

export const ALWAYS = { from: 0, to: OPEN_END } as const

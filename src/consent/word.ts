/**
 * One word of the consent contract, `ConsentRegistry.Consent`: from (40 bits, lowest), to (40), purposes (32),
 * categories (64), epoch (32), flags (16).
 */
export interface ConsentWord {
  /** Seconds since the epoch; in force when `from <= now < to`. */
  readonly from: number
  readonly to: number
  readonly purposes: number
  readonly categories: bigint
  readonly epoch: number
  readonly flags: number
  /** Hashes of the policy documents beside it, each of which narrows it. */
  readonly policies?: readonly `0x${string}`[]
}

export const FLAG_POLICY = 1
export const FLAG_DELEGATE = 2
export const FLAG_CUSTODY = 4
export const FLAG_BREAK_GLASS = 8

export function unpackWord(word: bigint): ConsentWord {
  return {
    from: Number(word & 0xff_ffff_ffffn),
    to: Number((word >> 40n) & 0xff_ffff_ffffn),
    purposes: Number((word >> 80n) & 0xffff_ffffn),
    categories: (word >> 112n) & 0xffff_ffff_ffff_ffffn,
    epoch: Number((word >> 176n) & 0xffff_ffffn),
    flags: Number((word >> 208n) & 0xffffn),
  }
}

/** What both words permit; `null` when nothing. */
export function intersect(a: ConsentWord, b: ConsentWord): ConsentWord | null {
  const policies = [...new Set([...(a.policies ?? []), ...(b.policies ?? [])])]
  const both = {
    from: Math.max(a.from, b.from),
    to: Math.min(a.to, b.to),
    purposes: a.purposes & b.purposes,
    categories: a.categories & b.categories,
    epoch: b.epoch,
    flags: a.flags | b.flags,
    ...(policies.length === 0 ? {} : { policies }),
  }
  return both.from < both.to && both.purposes !== 0 && both.categories !== 0n ? both : null
}

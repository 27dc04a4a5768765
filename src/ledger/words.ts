/** One consent as the registry stores it in a word; field by field as `Consent` in IConsentRegistry. */
export interface ConsentWord {
  /** Unix seconds, inclusive and exclusive; 2^40-1 is an open end. */
  readonly from: number
  readonly to: number
  readonly purposes: number
  readonly categories: bigint
  readonly epoch: number
  /** 1 policy pinned, 2 by a delegate, 4 in custody, 8 break-glass. */
  readonly flags: number
  /** Orders the signatures that may write the word; of no meaning to a decision. */
  readonly serial: number
}

const WIDTHS = { from: 40, to: 40, purposes: 32, categories: 64, epoch: 32, flags: 16, serial: 32 } as const

/** Takes apart the `consent` of ConsentGranted, DelegationGranted and GlassBroken, or a storage word. */
export function consentWord(word: bigint): ConsentWord {
  let rest = word
  const take = (width: number): bigint => {
    const field = BigInt.asUintN(width, rest)
    rest >>= BigInt(width)
    return field
  }
  return {
    from: Number(take(WIDTHS.from)),
    to: Number(take(WIDTHS.to)),
    purposes: Number(take(WIDTHS.purposes)),
    categories: take(WIDTHS.categories),
    epoch: Number(take(WIDTHS.epoch)),
    flags: Number(take(WIDTHS.flags)),
    serial: Number(take(WIDTHS.serial)),
  }
}

import type { Point } from './group.js'

/**
 * The second generator U, whose logarithm to base G nobody knows: RFC 9380 hash-to-curve
 * (secp256k1_XMD:SHA-256_SSWU_RO_) of `POINT_U` with DST `PARAMETERS`. Kept as a constant so that starting does
 * not cost a hash to the curve; test/vault/pre/parameters.spec.ts derives it anew.
 */
export const U = Uint8Array.from(
  Buffer.from(
    '04079390d0fbe220fc34aab8ecbf49098098036820fadb98c03143e55db8ec73cd' +
      '7ea50b219da86a70e8489413e4b9388afb63ac6f26e5ec2cfdd983b83f0e84e7',
    'hex',
  ),
) as Point

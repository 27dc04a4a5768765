import type { Group, Scalar } from './group.js'
import { inverses } from './scalar.js'

/**
 * The coefficients that give a polynomial at 0 from its values at the distinct arguments x_i:
 * λ_i = ∏ x_j / (x_j − x_i) over j ≠ i. The inverse of one more scalar comes along, since inversions are dear and
 * several cost as much as one.
 */
export function lagrangeAtZero(
  group: Group,
  xs: readonly Scalar[],
  also: Scalar,
): { lambdas: Scalar[]; inverse: Scalar } {
  const others = xs.map((_, i) => xs.filter((_, j) => j !== i))
  const denominators = others.map((rest, i) => {
    const negated = group.negate(xs[i]!)
    return product(
      group,
      rest.map((x) => group.add(x, negated)),
    )
  })
  const [inverse, ...inverted] = inverses(group, [also, ...denominators]) as [Scalar, ...Scalar[]]
  return { lambdas: inverted.map((inverted, i) => product(group, [inverted, ...others[i]!])), inverse }
}

function product(group: Group, scalars: readonly Scalar[]): Scalar {
  return scalars.reduce((a, b) => group.times(a, b), ONE)
}

const ONE = new Uint8Array(32).fill(1, 31) as Scalar

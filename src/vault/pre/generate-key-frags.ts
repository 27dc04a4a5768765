import { randomFillSync } from 'node:crypto'
import { ConsentryError } from '../../errors.js'
import { defaultGroup } from './default-group.js'
import type { Group, Scalar } from './group.js'
import { keyFragOf, polynomialArgument, sharedSecret, signedText, type VerifiedKeyFrag } from './key-frag.js'
import { pointOf, type PublicKey, scalarOf, type SecretKey, type Signer } from './keys.js'
import { inverses, randomScalar, wipe } from './scalar.js'

export interface KeyFragOptions {
  /** The policy secret a. */
  readonly delegating: SecretKey
  /** The grantee's key B. */
  readonly receiving: PublicKey
  readonly signer: Signer
  /** m, from 1 to n. */
  readonly threshold: number
  /** n, at most 255. */
  readonly shares: number
  /** Whether the signature for the proxy is over the delegating key; yes unless told. The receiver's always is. */
  readonly signDelegating?: boolean
  /** Whether the signature for the proxy is over the receiving key; yes unless told. */
  readonly signReceiving?: boolean
}

/**
 * Splits the re-encryption key toward `receiving` into n fragments, any m of which re-encrypt.
 * @throws ConsentryError `invalid` for an impossible threshold
 */
export function generateKeyFrags(options: KeyFragOptions, group: Group = defaultGroup): VerifiedKeyFrag[] {
  const { delegating, receiving, signer, threshold, shares, signDelegating = true, signReceiving = true } = options
  const possible = Number.isInteger(threshold) && Number.isInteger(shares) && threshold >= 1 && shares >= threshold
  if (!possible || shares > 255) {
    throw new ConsentryError('invalid', `A threshold of ${threshold} of ${shares} fragments is not possible.`)
  }
  const b = pointOf(receiving)
  const x = randomScalar()
  const precursor = group.multiplyBase(x)
  const dh = group.multiply(b, x)
  const d = sharedSecret(precursor, b, dh)
  const [inverseOfD] = inverses(group, [d]) as [Scalar]
  // f(0) = a·d⁻¹, the re-encryption key itself
  const coefficients = [group.times(scalarOf(delegating), inverseOfD)]
  while (coefficients.length < threshold) coefficients.push(randomScalar())

  const frags = Array.from({ length: shares }, () => {
    const id = randomFillSync(new Uint8Array(32))
    const argument = polynomialArgument(precursor, b, dh, id)
    const rk = evaluate(group, coefficients, argument)
    const commitment = group.multiplyU(rk)
    const named = { id, commitment, precursor }
    const signatureForReceiver = signer.sign(signedText(named, delegating.publicKey, receiving), group)
    const forProxy = signedText(named, signDelegating ? delegating.publicKey : null, signReceiving ? receiving : null)
    // Over the same text RFC 6979 gives the same signature.
    const signatureForProxy = signDelegating && signReceiving ? signatureForReceiver : signer.sign(forProxy, group)
    wipe(argument)
    const signed = { signatureForProxy, signatureForReceiver }
    return keyFragOf({ ...named, rk, ...signed, delegatingSigned: signDelegating, receivingSigned: signReceiving })
  })
  wipe(x, dh, d, inverseOfD, ...coefficients)
  return frags
}

/** f(x) by Horner's rule, coefficient 0 first. */
function evaluate(group: Group, coefficients: readonly Scalar[], x: Scalar): Scalar {
  let sum = new Uint8Array(coefficients.at(-1)!) as Scalar
  for (let i = coefficients.length - 2; i >= 0; i--) {
    const product = group.times(sum, x)
    wipe(sum)
    sum = group.add(product, coefficients[i]!)
    wipe(product)
  }
  return sum
}

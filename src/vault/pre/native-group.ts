import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { ConsentryError } from '../../errors.js'
import { G, samePoint, type Claim, type Group, type Point, type Scalar } from './group.js'
import { U } from './parameters.js'

/** The part of https://github.com/cryptocoinjs/secp256k1-node (5.0.2, API.md) that we use. */
interface LibSecp256k1 {
  contextRandomize(seed: Uint8Array): void
  privateKeyNegate(key: Uint8Array): Uint8Array
  privateKeyTweakAdd(key: Uint8Array, tweak: Uint8Array): Uint8Array
  privateKeyTweakMul(key: Uint8Array, tweak: Uint8Array): Uint8Array
  publicKeyCreate(key: Uint8Array, compressed: boolean): Uint8Array
  publicKeyConvert(key: Uint8Array, compressed: boolean): Uint8Array
  publicKeyCombine(keys: readonly Uint8Array[], compressed: boolean): Uint8Array
  publicKeyTweakMul(key: Uint8Array, tweak: Uint8Array, compressed: boolean): Uint8Array
  signatureNormalize(signature: Uint8Array): Uint8Array
  ecdsaSign(digest: Uint8Array, key: Uint8Array): { signature: Uint8Array; recid: number }
  ecdsaVerify(signature: Uint8Array, digest: Uint8Array, key: Uint8Array): boolean
  ecdh(
    key: Uint8Array,
    scalar: Uint8Array,
    options: { hashfn: () => Uint8Array; xbuf: Uint8Array; ybuf: Uint8Array },
    output: Uint8Array,
  ): Uint8Array
}

/**
 * Requires the bindings by name: the package's main entry would silently fall back to `elliptic`, which is slow
 * and not constant time. Where there is no binary for the platform the answer is `null`.
 */
function load(): LibSecp256k1 | null {
  try {
    const lib = createRequire(import.meta.url)('secp256k1/bindings') as LibSecp256k1
    lib.contextRandomize(randomBytes(32))
    return lib
  } catch {
    return null
  }
}

const NOTHING = new Uint8Array(0)

/** The group over libsecp256k1. */
function groupOver(lib: LibSecp256k1): Group {
  /**
   * `secp256k1_ecdh` is the library's constant-time multiplication; its "hash" here copies the coordinates out
   * unchanged. `publicKeyTweakMul` is half again as fast and takes time that depends on the scalar.
   */
  const multiply = (p: Point, k: Scalar): Point => {
    const out = new Uint8Array(65)
    out[0] = 4
    lib.ecdh(p, k, { hashfn: () => NOTHING, xbuf: out.subarray(1, 33), ybuf: out.subarray(33) }, NOTHING)
    return out as Point
  }
  const multiplyPublic = (p: Point, k: Scalar) =>
    (p === G ? lib.publicKeyCreate(k, false) : lib.publicKeyTweakMul(p, k, false)) as Point

  const sum = (points: readonly Point[]): Point | null => {
    try {
      return lib.publicKeyCombine(points, false) as Point
    } catch {
      return null
    }
  }
  const holds = ({ z, h, bases }: Claim): boolean =>
    bases.every(({ base, commitment, image }) => {
      const right = sum([commitment, multiplyPublic(image, h)])
      return right !== null && samePoint(multiplyPublic(base, z), right)
    })

  return {
    name: 'native',
    decompress: (bytes) => {
      try {
        if (bytes.length !== 33) throw new Error(`${bytes.length} bytes`)
        return lib.publicKeyConvert(bytes, false) as Point
      } catch (cause) {
        throw new ConsentryError('malformed', 'Expected a compressed point of secp256k1, 33 bytes.', { cause })
      }
    },
    multiplyBase: (k) => lib.publicKeyCreate(k, false) as Point,
    multiplyU: (k) => multiply(U, k),
    multiply,
    multiplyPublic,
    sum,
    // The library works in place, so it is given a copy; not by `slice`, which in a Buffer copies nothing.
    add: (a, b) => lib.privateKeyTweakAdd(new Uint8Array(a), b) as Scalar,
    times: (a, b) => lib.privateKeyTweakMul(new Uint8Array(a), b) as Scalar,
    negate: (a) => lib.privateKeyNegate(new Uint8Array(a)) as Scalar,
    // Each relation on its own: without multi-scalar multiplication, a random linear combination of the three
    // would cost eight multiplications instead of six (README, "Figures").
    claimsHold: (claims) => claims.every(holds),
    sign: (digest, k) => lib.ecdsaSign(digest, k).signature,
    signRecoverably: (digest, k) => {
      const { signature, recid } = lib.ecdsaSign(digest, k)
      return Uint8Array.of(...signature, recid)
    },
    verify: (signature, digest, key) => {
      try {
        // The library accepts low s only.
        return (
          signature.length === 64 && lib.ecdsaVerify(lib.signatureNormalize(new Uint8Array(signature)), digest, key)
        )
      } catch {
        return false
      }
    },
  }
}

const lib = load()

/** `null` where libsecp256k1 cannot be loaded. */
export const nativeGroup: Group | null = lib && groupOver(lib)

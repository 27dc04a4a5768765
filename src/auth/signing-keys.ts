import { exportJWK, generateKeyPair, type JWK } from 'jose'

/** Named secrets, encrypted at rest. The vault's keystore is one; this folder does not know how it does it. */
export interface SecretStore {
  read(name: string): Promise<Uint8Array | undefined>
  write(name: string, secret: Uint8Array): Promise<void>
}

const NAME = 'auth.signing-keys'
/** P-256: its verification is the fastest that OpenSSL has, and every API call verifies a token. */
export const TOKEN_ALGORITHM = 'ES256'

/** The private JWK that signs access tokens, made at the first start and kept in the store. */
export async function signingKey(store: SecretStore): Promise<JWK> {
  const kept = await store.read(NAME)
  if (kept !== undefined) return JSON.parse(Buffer.from(kept).toString('utf8')) as JWK
  const { privateKey } = await generateKeyPair(TOKEN_ALGORITHM, { extractable: true })
  const key: JWK = { ...(await exportJWK(privateKey)), kid: crypto.randomUUID(), alg: TOKEN_ALGORITHM, use: 'sig' }
  await store.write(NAME, Buffer.from(JSON.stringify(key)))
  return key
}

/** The part of a private EC JWK that may be shown. */
export function publicPart({ kty, crv, x, y, kid, alg, use }: JWK): JWK {
  return Object.fromEntries(
    Object.entries({ kty, crv, x, y, kid, alg, use }).filter(([, value]) => value !== undefined),
  )
}

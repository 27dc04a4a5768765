import { exportJWK, generateKeyPair, type JWK } from 'jose'
import type { RegisteredClient } from '../../src/auth/clients.js'

export interface TestClient {
  readonly registration: RegisteredClient
  readonly privateKey: JWK
}

export const ENTITY = `0x${'e1'.repeat(32)}` as const

/** A client with a fresh key pair, registered for what the test needs. */
export async function makeClient(
  id: string,
  options: Partial<Omit<RegisteredClient, 'id' | 'jwks'>> & { alg?: 'RS384' | 'ES384' } = {},
): Promise<TestClient> {
  const { alg = 'ES384', ...registration } = options
  const pair = await generateKeyPair(alg, { extractable: true })
  const kid = `${id}-key`
  const publicKey = { ...(await exportJWK(pair.publicKey)), kid, alg, use: 'sig' } as JWK & { kty: string }
  return {
    registration: {
      id,
      scopes: 'system/*.cruds',
      entity: ENTITY,
      role: 'system',
      ...registration,
      jwks: { keys: [publicKey] },
    },
    privateKey: { ...(await exportJWK(pair.privateKey)), kid, alg },
  }
}

import { exportJWK, generateKeyPair, type JWK } from 'jose'
import type { RegisteredClient } from '../auth/clients.js'
import { BREAK_GLASS_SCOPE, PRIVACY_SCOPE } from '../auth/own-scopes.js'
import { WALLET_SCOPE } from '../auth/wallet-scope.js'
import type { PartyId } from '../auth/principal.js'
import type { DataDirectory } from './data-directory.js'

/** Clients that exist when nothing is configured, for `npm run token -- <name>`. */
const DEMO: Readonly<Record<string, Pick<RegisteredClient, 'scopes' | 'role' | 'purposes'>>> = {
  ehr: {
    scopes: 'system/*.cruds',
    role: 'system',
    purposes: ['TREAT', 'ETREAT', 'HPAYMT', 'HOPERAT', 'HRESCH', 'PUBHLTH', 'PATRQT', 'BTG'],
  },
  wallet: {
    scopes: `system/Consent.ru system/DocumentReference.r system/Patient.r system/QuestionnaireResponse.r system/Task.ru ${WALLET_SCOPE}`,
    role: 'system',
    purposes: ['PATRQT'],
  },
  emergency: { scopes: `system/*.rs ${BREAK_GLASS_SCOPE}`, role: 'system', purposes: ['BTG'] },
  privacy: {
    scopes: `system/Task.rs system/Communication.rs ${PRIVACY_SCOPE}`,
    role: 'system',
    purposes: ['HOPERAT'],
  },
  auditor: { scopes: 'system/AuditEvent.rs system/Provenance.rs', role: 'auditor', purposes: ['HOPERAT'] },
}

/** What `clients/<name>.json` holds: the private key with what it is good for. The owner of the directory may use it. */
export interface DemoClient {
  readonly id: string
  readonly scopes: string
  readonly privateKey: JWK
}

export const demoClientFile = (name: string): string => `clients/${name}.json`

/** The demo clients of an entity; keys are made at the first start and kept in the data directory. */
export async function demoClients(directory: DataDirectory, entity: PartyId): Promise<RegisteredClient[]> {
  return Promise.all(
    Object.entries(DEMO).map(async ([id, demo]) => {
      const { privateKey } = await kept(directory, id, demo.scopes)
      const { kty, crv, x, y, kid, alg } = privateKey
      const publicKey = { kty, crv, x, y, kid, alg, use: 'sig' } as JWK & { kty: string }
      return { id, entity, ...demo, jwks: { keys: [publicKey] } }
    }),
  )
}

async function kept(directory: DataDirectory, id: string, scopes: string): Promise<DemoClient> {
  const file = demoClientFile(id)
  const present = await directory.read(file)
  if (present !== undefined) return { ...(JSON.parse(present.toString('utf8')) as DemoClient), scopes }
  const { privateKey } = await generateKeyPair('ES384', { extractable: true })
  const key: JWK = { ...(await exportJWK(privateKey)), kid: `${id}-1`, alg: 'ES384', use: 'sig' }
  const client: DemoClient = { id, scopes, privateKey: key }
  await directory.write(file, `${JSON.stringify(client, null, 2)}\n`)
  return client
}

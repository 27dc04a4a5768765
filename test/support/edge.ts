import { tokenAuthenticator } from '../../src/auth/authenticate.js'
import { authorizationServer } from '../../src/auth/authorization-server.js'
import type { ClientRegistry } from '../../src/auth/clients.js'
import { embeddedIssuer } from '../../src/auth/issuer.js'
import { MemoryReplayGuard } from '../../src/auth/replay.js'
import { signingKey } from '../../src/auth/signing-keys.js'
import { smartConfiguration } from '../../src/auth/smart-configuration.js'
import { requestToken } from '../../src/cli/access-token.js'
import { freePort } from '../../src/embedded/free-port.js'
import { fhirXml } from '../../src/fhir/xml.js'
import type { FhirInteractions, InteractionRequest, OpenRequest } from '../../src/gateway/interaction.js'
import { closeWhenAnswered, trackInFlight } from '../../src/http/in-flight.js'
import { mountEdge, type EdgeParts } from '../../src/http/mount.js'
import { createServer } from '../../src/http/server.js'
import { makeClient, type TestClient } from './clients.js'

export const TYPES: ReadonlySet<string> = new Set([
  'AuditEvent',
  'Binary',
  'Bundle',
  'Condition',
  'Device',
  'Encounter',
  'Observation',
  'Patient',
  'Practitioner',
])

export interface TestEdge {
  readonly origin: string
  readonly fhir: string
  readonly server: ReturnType<typeof createServer>
  /** What the handlers were given, latest last. */
  readonly seen: (OpenRequest & Partial<InteractionRequest>)[]
  readonly log: string[]
  readonly clients: Map<string, TestClient>
  token(clientId?: string, scope?: string): Promise<string>
  close(): Promise<void>
}

/** The real edge and the real authorization server on a port of its own; only the interactions are stand-ins. */
export async function startEdge(
  overrides: Partial<Omit<EdgeParts, 'interactions'>> & {
    interactions?: { [name in keyof FhirInteractions]?: FhirInteractions[name] | undefined }
    bodyBytes?: number
    corsOrigins?: string[]
    clients?: TestClient[]
  } = {},
): Promise<TestEdge> {
  const log: string[] = []
  const seen: TestEdge['seen'] = []
  const server = createServer({
    bodyBytes: overrides.bodyBytes ?? 256 * 1024,
    corsOrigins: overrides.corsOrigins ?? ['*'],
    trustProxy: false,
    logLevel: 'info',
    https: false,
    logStream: { write: (line) => log.push(line) },
  })
  const made = overrides.clients ?? [await makeClient('ehr')]
  const clients = new Map(made.map((client) => [client.registration.id, client]))
  const inFlight = trackInFlight(server)
  const registry: ClientRegistry = { find: async (id) => clients.get(id)?.registration }
  // A server must know its port before it is built.
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const audience = `${origin}/fhir`
  const key = await signingKey(memoryStore())
  const issuer = embeddedIssuer(`${origin}/oauth`, key)
  const echo = async (request: InteractionRequest) => {
    seen.push(request)
    return { status: 200, headers: {}, body: '{"resourceType":"Patient","multipleBirthInteger":1.50}' }
  }
  await mountEdge(server, {
    publicUrl: origin,
    authenticator: tokenAuthenticator({ issuer, audience, clients: registry }),
    smartConfiguration: () => smartConfiguration(issuer),
    authorizationServer: authorizationServer({
      issuer: `${origin}/oauth`,
      audience,
      signingKey: key,
      clients: registry,
      replay: new MemoryReplayGuard(),
      tokenSeconds: 300,
      onFault: (error) => log.push(`fault ${error.message}`),
    }),
    xml: fhirXml,
    readBlock: async () => undefined,
    checks: [],
    draining: () => false,
    ratePerSecond: 1_000_000,
    rateBurst: 1_000_000,
    ...overrides,
    interactions: {
      types: TYPES,
      capabilities: async (request) => {
        seen.push(request)
        return { status: 200, headers: {}, body: { resourceType: 'CapabilityStatement' } }
      },
      ...Object.fromEntries(HANDLED.map((name) => [name, echo])),
      ...overrides.interactions,
    } as FhirInteractions,
  })
  await server.listen({ port, host: '127.0.0.1' })
  return {
    origin,
    fhir: audience,
    server,
    seen,
    log,
    clients,
    async token(clientId = made[0]?.registration.id ?? '', scope) {
      const client = clients.get(clientId)
      if (client === undefined) throw new Error(`no test client ${clientId}`)
      const { accessToken } = await requestToken({
        baseUrl: audience,
        clientId,
        privateKey: client.privateKey,
        scope: scope ?? client.registration.scopes,
      })
      return accessToken
    },
    close: () => closeWhenAnswered(server, inFlight, () => server.close()),
  }
}

const HANDLED = [
  'read',
  'vread',
  'history-instance',
  'history-type',
  'history-system',
  'create',
  'update',
  'patch',
  'delete',
  'search-type',
  'search-system',
  'search-compartment',
  'transaction',
  'operation',
] as const

export function memoryStore() {
  const secrets = new Map<string, Uint8Array>()
  return {
    read: async (name: string) => secrets.get(name),
    write: async (name: string, secret: Uint8Array) => void secrets.set(name, secret),
  }
}

import { Module, type DynamicModule } from '@nestjs/common'
import { tokenAuthenticator } from './auth/authenticate.js'
import { authorizationServer } from './auth/authorization-server.js'
import { fixedRegistry, type ClientRegistry } from './auth/clients.js'
import { embeddedIssuer, externalIssuer } from './auth/issuer.js'
import { MemoryReplayGuard } from './auth/replay.js'
import { signingKey, type SecretStore } from './auth/signing-keys.js'
import { smartConfiguration } from './auth/smart-configuration.js'
import type { Config } from './config.js'
import { openDataDirectory } from './embedded/data-directory.js'
import { demoClients } from './embedded/demo-clients.js'
import type { Part } from './http/drain.js'
import { FHIR_BASE, OAUTH_BASE, type EdgeParts } from './http/mount.js'

/** What the composed parts need to know of the process they run in. */
export interface Surroundings {
  readonly config: Config
  /** Scheme and authority as clients see them. */
  readonly publicUrl: string
  readonly onFault: (message: string, error: unknown) => void
}

export interface Composition {
  readonly edge: Omit<EdgeParts, 'draining' | 'publicUrl' | 'ratePerSecond' | 'rateBurst'>
  /** Closed in this order when the server goes down. */
  readonly closing: readonly Part[]
  /** Tells where the server can be reached; undone when it goes down. */
  readonly announce: (fhirUrl: string) => Promise<void>
}

/** The one place where the parts of the program meet: reads top to bottom in the order of start. */
export async function compose({ config, publicUrl, onFault }: Surroundings): Promise<Composition> {
  const directory = await openDataDirectory(config.dataDirectory)
  const clients = fixedRegistry(await demoClients(directory, `0x${'0'.repeat(64)}`))
  const access = await composeAccess(config, publicUrl, clients, memorySecrets(), onFault)
  return {
    edge: {
      interactions: { types: new Set() },
      ...access,
      readBlock: async () => undefined,
      checks: [],
    },
    announce: (fhirUrl) => directory.announce(fhirUrl),
    closing: [{ name: 'data directory', close: () => directory.close() }],
  }
}

/** Who issues tokens and who checks them. */
async function composeAccess(
  config: Config,
  publicUrl: string,
  clients: ClientRegistry,
  secrets: SecretStore,
  onFault: Surroundings['onFault'],
): Promise<Pick<EdgeParts, 'authenticator' | 'smartConfiguration' | 'authorizationServer'>> {
  const audience = config.auth.audience ?? `${publicUrl}${FHIR_BASE}`
  if (config.auth.issuerUrl !== null) {
    const issuer = externalIssuer(config.auth.issuerUrl, config.auth.jwksUrl)
    const authenticator = tokenAuthenticator({ issuer, audience, clients })
    return { authenticator, smartConfiguration: () => smartConfiguration(issuer) }
  }
  const key = await signingKey(secrets)
  const url = `${publicUrl}${OAUTH_BASE}`
  const issuer = embeddedIssuer(url, key)
  return {
    authenticator: tokenAuthenticator({ issuer, audience, clients }),
    smartConfiguration: () => smartConfiguration(issuer),
    authorizationServer: authorizationServer({
      issuer: url,
      audience,
      signingKey: key,
      clients,
      replay: new MemoryReplayGuard(),
      tokenSeconds: config.auth.tokenSeconds,
      onFault: (error) => onFault('the authorization server failed', error),
    }),
  }
}

function memorySecrets(): SecretStore {
  const secrets = new Map<string, Uint8Array>()
  return { read: async (name) => secrets.get(name), write: async (name, secret) => void secrets.set(name, secret) }
}

/** Nest carries GraphQL; the parts themselves are plain objects made by `compose`. */
@Module({})
export class AppModule {
  static with(_composition: Composition): DynamicModule {
    return { module: AppModule }
  }
}

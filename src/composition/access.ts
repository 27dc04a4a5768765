import { tokenAuthenticator } from '../auth/authenticate.js'
import { authorizationServer } from '../auth/authorization-server.js'
import { fixedRegistry } from '../auth/clients.js'
import { embeddedIssuer, externalIssuer } from '../auth/issuer.js'
import { MemoryReplayGuard } from '../auth/replay.js'
import { signingKey, type SecretStore } from '../auth/signing-keys.js'
import { smartConfiguration } from '../auth/smart-configuration.js'
import { fileRegistry } from '../embedded/client-registry.js'
import { demoClients } from '../embedded/demo-clients.js'
import { type EdgeParts, OAUTH_BASE } from '../http/mount.js'
import type { Keystore } from '../vault/keystore.js'
import type { Site } from './site.js'
import type { Storage } from './storage.js'

/** Who issues tokens and who checks them. */
export async function composeAccess(
  { config, publicUrl, baseUrl, onFault }: Site,
  { directory, keystore, keys }: Storage,
): Promise<Pick<EdgeParts, 'authenticator' | 'smartConfiguration' | 'authorizationServer'>> {
  const clients = fileRegistry(
    {
      path: directory.file('clients.json'),
      entity: keys.id,
      externalIssuer: config.auth.issuerUrl !== null,
      onProblem: (problem) => onFault('a registered client is left out', problem),
    },
    fixedRegistry(await demoClients(directory, keys.id)),
  )
  const audience = config.auth.audience ?? baseUrl
  if (config.auth.issuerUrl !== null) {
    const issuer = externalIssuer(config.auth.issuerUrl, config.auth.jwksUrl)
    const authenticator = tokenAuthenticator({ issuer, audience, clients })
    return { authenticator, smartConfiguration: () => smartConfiguration(issuer) }
  }
  const key = await signingKey(secretsOf(keystore))
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

function secretsOf(keystore: Keystore): SecretStore {
  return { read: async (name) => keystore.get(name), write: (name, secret) => keystore.set(name, secret) }
}

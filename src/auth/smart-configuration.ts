import { ASSERTION_ALGORITHMS } from './authorization-server.js'
import type { Issuer } from './issuer.js'
import { OWN_SCOPES } from './own-scopes.js'

/** `.well-known/smart-configuration`, https://hl7.org/fhir/smart-app-launch/conformance.html#metadata */
export async function smartConfiguration(issuer: Issuer): Promise<Record<string, unknown>> {
  const metadata = await issuer.metadata()
  const optional = {
    authorization_endpoint: metadata.authorizationEndpoint,
    introspection_endpoint: metadata.introspectionEndpoint,
    revocation_endpoint: metadata.revocationEndpoint,
  }
  return {
    issuer: metadata.issuer,
    jwks_uri: metadata.jwksUri,
    token_endpoint: metadata.tokenEndpoint,
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
    token_endpoint_auth_methods_supported: ['private_key_jwt'],
    token_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
    grant_types_supported: ['client_credentials'],
    scopes_supported: ['system/*.cruds', 'system/*.rs', 'system/AuditEvent.rs', 'system/Provenance.rs', ...OWN_SCOPES],
    code_challenge_methods_supported: ['S256'],
    capabilities: ['client-confidential-asymmetric', 'permission-v1', 'permission-v2'],
  }
}

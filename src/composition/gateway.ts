import { consentHistory } from '../consent/ledger-grants.js'
import { structures } from '../fhir/definitions/structures.js'
import { elementFilter } from '../fhir/element-filter.js'
import { parseJson } from '../fhir/json.js'
import { searchParametersOf } from '../fhir/search-parameters.js'
import { isServed } from '../fhir/search-query.js'
import { Granting } from '../exchange/granting.js'
import { Anchoring } from '../gateway/anchoring.js'
import { accessOperations } from '../gateway/consent/access-operations.js'
import { ConsentLinks } from '../gateway/consent/links.js'
import { ConsentMirroring } from '../gateway/consent/mirroring.js'
import { NoticeMirroring } from '../gateway/consent/notice-mirroring.js'
import { Notices } from '../gateway/consent/notices.js'
import { consentOperations } from '../gateway/consent/operations.js'
import { receiptOperations } from '../gateway/consent/receipt.js'
import type { ConsentParts } from '../gateway/consent/request.js'
import { StoredPreparedGrants } from '../gateway/consent/prepared-grants.js'
import { documentOperations } from '../gateway/document.js'
import { everythingOperations } from '../gateway/everything.js'
import { feedTagsOf } from '../gateway/feed-tags.js'
import type { FhirInteractions } from '../gateway/interaction.js'
import { interactionsOf } from '../gateway/interactions.js'
import { metaOperations } from '../gateway/meta.js'
import { metaSeenOperations } from '../gateway/meta-seen.js'
import type { GatewayParts } from '../gateway/parts.js'
import { patientOperations } from '../gateway/patient-operations.js'
import { lastnOperations } from '../gateway/lastn.js'
import { released } from '../gateway/release.js'
import { terminologyOperations } from '../gateway/terminology-operations.js'
import { validateOperations } from '../gateway/validate.js'
import { verifyOperations } from '../gateway/verify.js'
import { GraphqlEngine } from '../graphql/module.js'
import { graphqlOperation } from '../graphql/operation.js'
import { OAUTH_BASE } from '../http/mount.js'
import type { Audit } from './audit.js'
import type { Ledger } from './ledger.js'
import type { Records } from './records.js'
import type { Shared } from './shared.js'
import type { Site } from './site.js'
import type { Storage } from './storage.js'
import type { Vault } from './vault.js'

/** The interactions, and what goes on behind them. */
export interface Gateway {
  readonly interactions: FhirInteractions
  /** Nest starts its Apollo Server. */
  readonly graphql: GraphqlEngine
  readonly anchoring: Anchoring
  readonly consentMirroring: ConsentMirroring
  readonly noticeMirroring: NoticeMirroring
}

/** As in package.json; a test holds them equal. */
const VERSION = '0.1.0'

export function composeGateway(
  site: Site,
  { keys, blocks }: Storage,
  { database, index, records, anchors, mirror }: Records,
  ledger: Ledger,
  { documents }: Pick<Shared, 'documents'>,
  { custody, patients, policies, capsuleKeys, bodies }: Vault,
  { trail, log }: Audit,
  { conformance, sensitivity }: Pick<GatewayParts, 'conformance' | 'sensitivity'>,
): Gateway {
  const { config, publicUrl, baseUrl, clock } = site
  const { contracts, reader, sender, follower } = ledger
  const anchoring = new Anchoring(
    keys.id,
    keys.author.publicKey.toBytes(),
    anchors,
    blocks,
    contracts,
    sender,
    feedTagsOf(keys.id, policies),
    site.standingProblem('anchoring has a problem and tries again'),
  )
  const consents = new ConsentLinks(database)
  const parts: GatewayParts = {
    entity: keys.id,
    baseUrl,
    version: VERSION,
    tokenUrl: `${config.auth.issuerUrl ?? `${publicUrl}${OAUTH_BASE}`}/token`,
    clock,
    access: ledger.access,
    records,
    index,
    bodies,
    patients,
    consents,
    conformance,
    sensitivity,
    audit: trail,
    committed: () => anchoring.poke(),
    limits: {
      pageSize: config.limits.pageDefault,
      maxPageSize: config.limits.pageMaximum,
      maxCounted: config.limits.counted,
      maxIncluded: config.limits.included,
      maxIncludeRounds: config.limits.includeRounds,
      maxChain: config.limits.chain,
      maxBundleEntries: config.limits.bundleEntries,
    },
  }
  const address = { chainId: contracts.chainId, contract: contracts.addresses.ConsentRegistry }
  const consentMirroring = new ConsentMirroring(
    parts,
    database,
    address,
    documents,
    clock,
    site.standingProblem('mirroring the ledger as Consents has a problem and tries again'),
  )
  const notices = new Notices(database)
  const reviewSeconds = config.emergency.reviewHours * 3_600
  const noticeMirroring = new NoticeMirroring({
    parts,
    database,
    notices,
    links: consents,
    mirror,
    ledger: address,
    reviewSeconds,
    onProblem: site.standingProblem('telling of requests and emergencies has a problem and tries again'),
  })
  const graphql = graphqlEngine(site)
  const graphqlAt = released(
    parts,
    graphqlOperation({
      engine: graphql,
      interactions: () => interactions,
      parse: (body) => parseJson(body),
      baseUrl,
    }),
  )
  const consentParts: ConsentParts = {
    mirror,
    granting: new Granting(mirror, blocks),
    policies: documents,
    contracts,
    reader,
    sender,
    follower,
    rootOf: async (patient) => {
      const wrapped = await patients.wrappedRoot(patient)
      return wrapped === null ? null : custody.root(patient, wrapped)
    },
    prepared: new StoredPreparedGrants(database),
    links: consents,
    mirroring: consentMirroring,
    rotate: (patient) => capsuleKeys.rotate(patient),
  }
  const interactions: FhirInteractions = interactionsOf(parts, {
    $graphql: graphqlAt,
    '*/[id]/$graphql': graphqlAt,
    ...patientOperations(parts),
    ...everythingOperations(parts),
    ...documentOperations(parts),
    ...lastnOperations(parts),
    ...metaOperations(parts),
    ...metaSeenOperations(parts),
    ...consentOperations(parts, consentParts),
    ...accessOperations(parts, {
      mirror,
      contracts,
      reader,
      sender,
      follower,
      notices,
      mirroring: noticeMirroring,
      ledger: address,
      consent: consentParts,
      histories: (patientIds) => consentHistory(database, patientIds),
      emergency: { perPerson: config.emergency.perPerson, reviewSeconds },
    }),
    ...receiptOperations(parts, { sql: database, reader, links: consents, documents }),
    ...verifyOperations(parts, log, contracts),
    ...validateOperations(parts),
    ...terminologyOperations(parts),
  })
  return { interactions, graphql, anchoring, consentMirroring, noticeMirroring }
}

function graphqlEngine({ config, onFault }: Site): GraphqlEngine {
  return new GraphqlEngine({
    table: {
      ...structures(),
      searchParameters: (type) => [...searchParametersOf(type).values()].filter(isServed),
      filter: elementFilter,
    },
    introspection: config.graphqlIntrospection,
    early: config.production,
    onFault,
  })
}

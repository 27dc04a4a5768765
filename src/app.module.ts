import { Module, type DynamicModule } from '@nestjs/common'
import { AuditTrail } from './audit/audit-trail.js'
import { wellKnownOfTrail } from './audit/well-known.js'
import { type LogOptions, VerifiableLog } from './audit/log.js'
import { LedgerMirror } from './audit/mirror.js'
import { fixedRegistry } from './auth/clients.js'
import { composeAccess } from './composition/access.js'
import { composeConformance } from './composition/conformance.js'
import { openBlocks, openRecords, passphrase } from './composition/storage.js'
import type { Config } from './config.js'
import { type Freshness, isStale } from './consent/decide.js'
import { ConsentMirror } from './consent/mirror.js'
import { fileRegistry } from './embedded/client-registry.js'
import { openDataDirectory } from './embedded/data-directory.js'
import { demoClients } from './embedded/demo-clients.js'
import { entityKeys } from './embedded/entity-keys.js'
import { keepWellKnown } from './embedded/well-known.js'
import { openLedger } from './embedded/ledger.js'
import { ConsentryError } from './errors.js'
import { Feeds } from './exchange/feeds.js'
import { Granting } from './exchange/granting.js'
import { Importing } from './exchange/importing.js'
import { OpenedCapsules } from './exchange/opened-capsules.js'
import { PatientTurns } from './exchange/patient-turns.js'
import { SharedPolicies } from './exchange/policies.js'
import { Purging } from './exchange/purging.js'
import { RemoteBlocks } from './exchange/remote-blocks.js'
import { ExchangeWorker } from './exchange/worker.js'
import { Access } from './gateway/access.js'
import { Admission } from './gateway/admission.js'
import { Anchoring } from './gateway/anchoring.js'
import { Bodies } from './gateway/bodies.js'
import { CapsuleKeys } from './gateway/capsule-keys.js'
import { GatewayChainSink } from './gateway/chain-sink.js'
import { ConsentLinks } from './gateway/consent/links.js'
import { ConsentMirroring } from './gateway/consent/mirroring.js'
import { consentOperations } from './gateway/consent/operations.js'
import { StoredPreparedGrants } from './gateway/consent/prepared-grants.js'
import { Custody, CustodyPolicies, sharedPolicyKey } from './gateway/custody.js'
import { everythingOperations } from './gateway/everything.js'
import { feedTagsOf } from './gateway/feed-tags.js'
import { structures } from './fhir/definitions/structures.js'
import { elementFilter } from './fhir/element-filter.js'
import { parseJson } from './fhir/json.js'
import { isServed } from './fhir/search-query.js'
import { searchParametersOf } from './fhir/search-parameters.js'
import { fhirXml } from './fhir/xml.js'
import type { FhirInteractions } from './gateway/interaction.js'
import { interactionsOf } from './gateway/interactions.js'
import { metaOperations } from './gateway/meta.js'
import type { OperationTable } from './gateway/operations.js'
import { ownBlocks } from './gateway/own-blocks.js'
import { FhirGraphqlModule, GraphqlEngine } from './graphql/module.js'
import { graphqlOperation } from './graphql/operation.js'
import type { GatewayParts } from './gateway/parts.js'
import { patientOperations } from './gateway/patient-operations.js'
import { Patients } from './gateway/patients.js'
import { terminologyOperations } from './gateway/terminology-operations.js'
import { TrailSealing } from './gateway/trail-sealing.js'
import { validateOperations } from './gateway/validate.js'
import { verifyOperations } from './gateway/verify.js'
import type { Part } from './http/drain.js'
import { FHIR_BASE, OAUTH_BASE, type EdgeParts } from './http/mount.js'

import { ChainFollower } from './ledger/follower.js'
import { Anchors } from './records/anchors.js'
import { BlindIndex } from './records/blind-index.js'
import { Outbox } from './records/outbox.js'
import { RecordStore } from './records/record-store.js'
import { Keystore } from './vault/keystore.js'

/** What the composed parts need to know of the process they run in. */
export interface Surroundings {
  readonly config: Config
  /** Scheme and authority as clients see them. */
  readonly publicUrl: string
  readonly onFault: (message: string, error: unknown) => void
}

export interface Composition {
  readonly edge: Omit<EdgeParts, 'draining' | 'publicUrl' | 'ratePerSecond' | 'rateBurst'>
  /** Nest starts its Apollo Server. */
  readonly graphql: GraphqlEngine
  /** Closed in this order when the server goes down. */
  readonly closing: readonly Part[]
  /** Tells where the server can be reached; undone when it goes down. */
  readonly announce: (fhirUrl: string) => Promise<void>
}

/** The one place where the parts of the program meet: reads top to bottom in the order of start. */
export async function compose({ config, publicUrl, onFault }: Surroundings): Promise<Composition> {
  const closing: Part[] = []
  const opened = async <T>(name: string, part: Promise<T>, close: (part: T) => Promise<unknown>): Promise<T> => {
    const made = await part
    closing.unshift({ name, close: async () => void (await close(made)) })
    return made
  }
  try {
    return await assemble({ config, publicUrl, onFault }, closing, opened)
  } catch (error) {
    for (const { close } of closing) await close().catch(() => undefined)
    throw error
  }
}

type Opened = <T>(name: string, part: Promise<T>, close: (part: T) => Promise<unknown>) => Promise<T>

async function assemble(
  { config, publicUrl, onFault }: Surroundings,
  closing: readonly Part[],
  opened: Opened,
): Promise<Composition> {
  const problem = (what: string) => (error: unknown) => onFault(what, error)
  const baseUrl = `${publicUrl}${FHIR_BASE}`
  const clock = () => Date.now()

  // Before anything is opened: packages that cannot be used should tell so at once.
  const { conformance, thread } = composeConformance(config, clock, problem('the terminology server has a problem'))
  await opened('judging', Promise.resolve(thread), (t) => t.close())
  const directory = await opened('data directory', openDataDirectory(config.dataDirectory), (d) => d.close())
  const keystore = await Keystore.open(directory.file('keystore.json'), await passphrase(config, directory))
  const keys = await entityKeys(keystore)
  const ledger = await opened(
    'ledger',
    openLedger(config, directory, keystore, keys, publicUrl, problem('the ledger has a problem')),
    (l) => l.close(),
  )
  const database = await opened('database', openRecords(config, directory), (d) => d.close())
  const blocks = await opened('blocks', openBlocks(config, directory), (b) => b.close())

  const wellKnown = await keepWellKnown(keystore, wellKnownOfTrail({ entity: keys.id, baseUrl }))
  const index = new BlindIndex(keys.index, wellKnown)
  const records = new RecordStore(database, index)
  const mirror = new ConsentMirror(database)
  const custody = new Custody(keys.master)
  const policies: CustodyPolicies = new CustodyPolicies(custody, keys.root, (p) => patients.wrappedRoot(p), {
    policyKey: (owner, label) => sharedPolicyKey(shared, owner, label),
  })
  const capsuleKeys = new CapsuleKeys(database, keys.id, keys.master, policies, clock)
  const author = { id: Buffer.from(keys.id.slice(2), 'hex'), key: keys.author }
  const { seal: sealTrail } = await TrailSealing.open(
    capsuleKeys,
    author,
    clock,
    problem('the key of the audit trail cannot be renewed; the last one is used'),
  )
  const audit = new AuditTrail(keys.id, baseUrl, index, sealTrail)
  const log = new VerifiableLog(
    {
      entity: keys.id,
      database,
      blocks,
      reader: ledger.reader,
      sender: ledger.sender,
      seal: sealTrail,
      onProblem: problem('the audit log has a problem and tries again'),
    },
    ledger.embedded === null ? AUDIT_HEADS : { ...AUDIT_HEADS, publishAfterMs: 1_000 },
  )
  const ledgerMirror = new LedgerMirror({
    entity: keys.id,
    database,
    records,
    trail: audit,
    contracts: ledger.contracts,
    onProblem: problem('mirroring the ledger into the trail has a problem and tries again'),
  })
  const remote = new RemoteBlocks(blocks)
  const feeds = new Feeds(keys.id, database, mirror, remote)
  const turns = new PatientTurns()
  const shared = new SharedPolicies(keys.id, keys.encryption, database, mirror, remote, turns, clock)
  const anchoring = new Anchoring(
    keys.id,
    keys.author.publicKey.toBytes(),
    new Anchors(database),
    blocks,
    ledger.contracts,
    ledger.sender,
    feedTagsOf(keys.id, policies),
    problem('anchoring has a problem and tries again'),
  )
  const consentLinks = new ConsentLinks(database)
  const consentMirroring: ConsentMirroring = new ConsentMirroring(
    () => parts,
    database,
    { chainId: ledger.contracts.chainId, contract: ledger.contracts.addresses.ConsentRegistry },
    clock,
    problem('mirroring the ledger as Consents has a problem and tries again'),
  )
  const shares = [anchoring, feeds, log, ledgerMirror, consentMirroring]
  const sink = new GatewayChainSink(database, mirror, shares, () => exchange.poke())
  const follower = new ChainFollower({
    rpc: ledger.rpc,
    ...(ledger.socketUrl === undefined ? {} : { socketUrl: ledger.socketUrl }),
    addresses: ledger.contracts.list,
    decode: (log) => ledger.contracts.decode(log),
    sink,
    startBlock: ledger.deployment.block,
    grantTag: config.chain.grantFinality,
    onProblem: problem('following the chain has a problem and goes on'),
    ...(ledger.embedded === null ? {} : { shorterChainMs: 0 }),
  })
  const admission = new Admission(keys.id, ledger.contracts, ledger.sender, follower)
  const patients = new Patients(database, admission, custody)
  const freshness = (): Freshness => ({
    confirmedAt: follower.confirmedAt,
    limitMs: config.chain.freshnessSeconds * 1000,
  })
  const bodies = new Bodies(keys.id, author, capsuleKeys, blocks, async (party) =>
    party === keys.id ? [keys.author.publicKey.toBytes()] : feeds.authorKeys(party),
  )

  const parts: GatewayParts = {
    entity: keys.id,
    baseUrl,
    version: VERSION,
    tokenUrl: `${config.auth.issuerUrl ?? `${publicUrl}${OAUTH_BASE}`}/token`,
    clock,
    access: new Access(mirror, freshness, clock),
    records,
    index,
    bodies,
    patients,
    consents: consentLinks,
    conformance,
    audit,
    committed: () => anchoring.poke(),
    limits: {
      pageSize: config.limits.pageDefault,
      maxPageSize: config.limits.pageMaximum,
      maxBundleEntries: config.limits.bundleEntries,
    },
  }
  const importing = new Importing({
    entity: keys.id,
    clock,
    freshness,
    sql: database,
    mirror,
    policies: shared,
    turns,
    feeds,
    capsules: new OpenedCapsules(keys.id, keys.encryption, keys.operator, keys.master, database, clock),
    remote,
    blocks,
    records,
    index,
    audit,
  })
  const purging = new Purging({
    entity: keys.id,
    clock,
    sql: database,
    mirror,
    policies: shared,
    turns,
    records,
    blocks,
    audit,
    forgetKeys: () => capsuleKeys.forgetAll(),
  })
  const exchange = new ExchangeWorker(
    new Outbox(database),
    feeds,
    shared,
    importing,
    purging,
    problem('the exchange has a problem and tries again'),
  )
  const engine = new GraphqlEngine({
    table: {
      ...structures(),
      searchParameters: (type) => [...searchParametersOf(type).values()].filter(isServed),
      filter: elementFilter,
    },
    introspection: config.graphqlIntrospection,
    onFault,
  })
  const graphql = graphqlOperation({
    engine,
    interactions: () => interactions,
    parse: (body) => parseJson(body),
    baseUrl,
  })
  const operations: OperationTable = {
    $graphql: graphql,
    '*/[id]/$graphql': graphql,
    ...patientOperations(parts),
    ...everythingOperations(parts),
    ...metaOperations(parts),
    ...consentOperations(parts, {
      mirror,
      granting: new Granting(mirror, blocks),
      contracts: ledger.contracts,
      reader: ledger.reader,
      sender: ledger.sender,
      follower,
      rootOf: async (patient) => {
        const wrapped = await patients.wrappedRoot(patient)
        return wrapped === null ? null : custody.root(patient, wrapped)
      },
      prepared: new StoredPreparedGrants(database),
      links: consentLinks,
      mirroring: consentMirroring,
      rotate: (patient) => capsuleKeys.rotate(patient),
    }),
    ...verifyOperations(parts, log, ledger.contracts),
    ...validateOperations(parts),
    ...terminologyOperations(parts),
  }
  const interactions: FhirInteractions = interactionsOf(parts, operations)
  follower.start()
  await opened('follower', Promise.resolve(follower), (f) => f.stop())
  anchoring.start()
  await opened('anchoring', Promise.resolve(anchoring), (a) => a.stop())
  exchange.start()
  await opened('exchange', Promise.resolve(exchange), (e) => e.stop())
  ledgerMirror.start()
  await opened('ledger mirror', Promise.resolve(ledgerMirror), (m) => m.stop())
  consentMirroring.start()
  await opened('consent mirroring', Promise.resolve(consentMirroring), (m) => m.stop())
  log.start()
  await opened('audit log', Promise.resolve(log), (l) => l.stop())

  const clients = fileRegistry(directory.file('clients.json'), fixedRegistry(await demoClients(directory, keys.id)))
  const access = await composeAccess(config, publicUrl, clients, keystore, onFault)
  return {
    edge: {
      interactions,
      xml: fhirXml,
      ...access,
      readBlock: ownBlocks(blocks, author.id),
      checks: [
        { name: 'database', check: async () => void (await database.query('SELECT 1')) },
        { name: 'chain', check: async () => requireFresh(freshness(), clock()) },
      ],
    },
    graphql: engine,
    announce: (fhirUrl) => directory.announce(fhirUrl),
    closing,
  }
}

function requireFresh(freshness: Freshness, now: number): void {
  if (isStale(freshness, now)) throw new ConsentryError('unavailable', 'The ledger has not been heard of recently.')
}

/** A head a minute costs little gas; on our own chain, where gas costs nothing, they come faster. */
const AUDIT_HEADS: LogOptions = { publishAfterMs: 60_000, publishAtLeaves: 10_000, lookEveryMs: 1_000 }

/** As in package.json; a test holds them equal. */
const VERSION = '0.1.0'

/** Nest carries GraphQL; the parts themselves are plain objects made by `compose`. */
@Module({})
export class AppModule {
  static with({ graphql }: Composition): DynamicModule {
    return { module: AppModule, imports: [FhirGraphqlModule.with(graphql)] }
  }
}

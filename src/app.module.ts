import { Module, type DynamicModule } from '@nestjs/common'
import { composeAccess } from './composition/access.js'
import { composeAudit } from './composition/audit.js'
import { composeConformance, readDefinitions, readSensitivity } from './composition/conformance.js'
import { composeExchange } from './composition/exchange.js'
import { composeGateway } from './composition/gateway.js'
import { composeLedger } from './composition/ledger.js'
import { composeReindexing, loadParameters } from './composition/reindexing.js'
import { composeRecords } from './composition/records.js'
import { composeShared } from './composition/shared.js'
import { Site, type Surroundings } from './composition/site.js'
import { openStorage } from './composition/storage.js'
import { composeVault } from './composition/vault.js'
import { fhirXml } from './fhir/xml.js'
import { LARGE_BODY } from './gateway/checking.js'
import type { Conformance } from './gateway/conformance.js'
import { ownBlocks } from './gateway/own-blocks.js'
import { FhirGraphqlModule, type GraphqlEngine } from './graphql/module.js'
import type { Part } from './http/drain.js'
import type { EdgeParts } from './http/mount.js'

export interface Composition {
  readonly edge: Omit<EdgeParts, 'draining' | 'publicUrl' | 'ratePerSecond' | 'rateBurst'>
  /** Nest starts its Apollo Server. */
  readonly graphql: GraphqlEngine
  /** Closed in this order when the server goes down. */
  readonly closing: readonly Part[]
  /** After a start that failed later on: closes what is open, whether it closes or not. */
  readonly close: () => Promise<void>
  /** Tells where the server can be reached; undone when it goes down. */
  readonly announce: (fhirUrl: string) => Promise<void>
}

/** The one place where the parts of the program meet. */
export async function compose(surroundings: Surroundings): Promise<Composition> {
  const site = new Site(surroundings)
  try {
    return await assemble(site)
  } catch (error) {
    await site.close()
    throw error
  }
}

/** Reads top to bottom in the order of start: each world is made of those above it. */
async function assemble(site: Site): Promise<Composition> {
  // Before anything is opened: packages that cannot be used should tell so at once.
  const definitions = readDefinitions(site)
  const conformance = composeConformance(site, definitions)
  const sensitivity = readSensitivity(definitions)
  const parameters = loadParameters(site, definitions)
  const storage = await openStorage(site)
  const records = await composeRecords(site, storage)
  const ledger = await composeLedger(site, storage, records)
  const shared = composeShared(site, storage, records)
  const vault = composeVault(site, storage, ledger, shared)
  const audit = await composeAudit(site, storage, records, ledger, vault)
  const reindexing = await composeReindexing(site, storage, records, ledger, vault, audit, parameters)
  const gateway = composeGateway(site, storage, records, ledger, shared, vault, audit, { conformance, sensitivity })
  const { worker: exchange, answers } = composeExchange(site, storage, records, ledger, shared, vault, audit)
  const access = await composeAccess(site, storage)

  const { anchoring, consentMirroring, noticeMirroring } = gateway
  ledger.sink.join([anchoring, shared.feeds, audit.log, audit.ledgerMirror, consentMirroring, noticeMirroring], () =>
    exchange.poke(),
  )
  site.started('follower', ledger.follower)
  site.started('anchoring', anchoring)
  site.started('exchange', exchange)
  site.started('ledger mirror', audit.ledgerMirror)
  site.started('consent mirroring', consentMirroring)
  site.started('notices', noticeMirroring)
  site.started('audit log', audit.log)
  site.started('reindexing', reindexing)

  return {
    edge: {
      interactions: gateway.interactions,
      xml: { ...fhirXml, toJson: (xml) => largeXml(conformance, xml) ?? fhirXml.toJson(xml) },
      ...access,
      readBlock: ownBlocks(storage.blocks, shared.kept, vault.author.id),
      checks: [
        { name: 'database', check: async () => void (await storage.database.query('SELECT 1')) },
        { name: 'blocks', check: () => storage.blocks.requireReady() },
        { name: 'chain', check: async () => ledger.requireFresh() },
      ],
      counts: [
        {
          name: 'consentry_proxy_answers_total',
          help: 'Answers of re-encryption proxies: counted, silent (none came), refused (unsigned, or signed otherwise than they must be).',
          label: 'outcome',
          read: () => answers.counts,
        },
        {
          name: 'consentry_emergency_reviews',
          help: 'Reviews of emergency accesses that are not made yet, and those of them that are overdue.',
          label: 'state',
          gauge: true,
          read: () => ({ ...noticeMirroring.reviews }),
        },
      ],
    },
    graphql: gateway.graphql,
    announce: (fhirUrl) => storage.directory.announce(fhirUrl),
    closing: site.closing,
    close: () => site.close(),
  }
}

/** Bodies that are large are read where they hold up nobody. */
function largeXml({ checking }: Conformance, xml: Uint8Array): Promise<Uint8Array> | undefined {
  return xml.length < LARGE_BODY ? undefined : checking?.json(xml)
}

/** Nest carries GraphQL; the parts themselves are plain objects made by `compose`. */
@Module({})
export class AppModule {
  static with({ graphql }: Composition): DynamicModule {
    return { module: AppModule, imports: [FhirGraphqlModule.with(graphql)] }
  }
}

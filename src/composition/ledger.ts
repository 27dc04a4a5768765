import { type Freshness, isStale } from '../consent/decide.js'
import { type Ledger as Chain, openLedger } from '../embedded/ledger.js'
import { ConsentryError } from '../errors.js'
import { Admission } from '../gateway/admission.js'
import { Access } from '../gateway/access.js'
import { ChainConsent } from '../gateway/chain-consent.js'
import { EmergencyAccess } from '../gateway/consent/emergency-access.js'
import { Notices } from '../gateway/consent/notices.js'
import { GatewayChainSink } from '../gateway/chain-sink.js'
import { linkedPatient } from '../gateway/patients.js'
import { ChainFollower } from '../ledger/follower.js'
import { fulfilling } from '../records/read.js'
import type { Records } from './records.js'
import type { Site } from './site.js'
import type { Storage } from './storage.js'

/** The chain, and who follows it. */
export interface Ledger extends Omit<Chain, 'close'> {
  /** Whoever has a share in following joins before the follower starts. */
  readonly sink: GatewayChainSink
  readonly follower: ChainFollower
  readonly admission: Admission
  readonly freshness: () => Freshness
  /** The consent decision. */
  readonly access: Access
  /** @throws ConsentryError `unavailable` */
  readonly requireFresh: () => void
}

export async function composeLedger(site: Site, storage: Storage, { database, mirror }: Records): Promise<Ledger> {
  const { config } = site
  const { directory, keystore, keys } = storage
  const chain = await site.opened(
    'ledger',
    openLedger({
      config,
      directory,
      keystore,
      keys,
      publicUrl: site.publicUrl,
      onProblem: site.standingProblem('the ledger has a problem'),
    }),
    (ledger) => ledger.close(),
  )
  const { contracts, sender } = chain
  const sink = new GatewayChainSink(database, mirror, [])
  const follower = new ChainFollower({
    rpc: chain.rpc,
    ...(chain.socketUrl === undefined ? {} : { socketUrl: chain.socketUrl }),
    addresses: contracts.list,
    decode: (log) => contracts.decode(log),
    sink,
    startBlock: chain.deployment.block,
    grantTag: config.chain.grantFinality,
    onProblem: site.standingProblem('following the chain has a problem and goes on'),
    ...(chain.embedded === null ? {} : { shorterChainMs: 0 }),
  })
  const freshness = (): Freshness => ({
    confirmedAt: follower.confirmedAt,
    limitMs: config.chain.freshnessSeconds * 1000,
  })
  const requireFresh = (): void => {
    if (!isStale(freshness(), site.clock())) return
    throw new ConsentryError('unavailable', 'The ledger has not been heard of recently.')
  }
  const admission = new Admission(keys.id, contracts, sender, follower, site.config.chain.implicitPolicy)
  const strict = config.chain.consentMode === 'chain' ? new ChainConsent(chain.reader, follower) : null
  const notices = new Notices(database)
  const emergency = new EmergencyAccess(
    chain.reader,
    async () => (await sink.cursor())?.number ?? -1,
    (at) => notices.openedSince(at),
  )
  const patientOf = (localId: string) => linkedPatient(database, localId)
  const access = new Access(mirror, freshness, site.clock, strict, patientOf, emergency, (refs, filter) =>
    fulfilling(database, refs, filter),
  )
  return { ...chain, sink, follower, admission, freshness, access, requireFresh }
}

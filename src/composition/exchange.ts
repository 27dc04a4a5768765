import type { PartyId } from '../consent/permit.js'
import { Importing } from '../exchange/importing.js'
import { KeptReceipts } from '../exchange/kept-receipts.js'
import { type AnnouncedProxy, OpenedCapsules } from '../exchange/opened-capsules.js'
import { ProxyAnswers } from '../exchange/proxy-answers.js'
import { Purging } from '../exchange/purging.js'
import { ToldRequests } from '../exchange/told-requests.js'
import { ExchangeWorker } from '../exchange/worker.js'
import type { LedgerReader } from '../ledger/reads.js'
import { Outbox } from '../records/outbox.js'
import type { Audit } from './audit.js'
import type { Ledger } from './ledger.js'
import type { Records } from './records.js'
import type { Shared } from './shared.js'
import type { Site } from './site.js'
import type { Storage } from './storage.js'
import type { Vault } from './vault.js'

export interface Exchange {
  readonly worker: ExchangeWorker
  readonly answers: ProxyAnswers
}

/** Who imports what is shared, and purges what no longer is. */
export function composeExchange(
  site: Site,
  { keys }: Storage,
  { database, index, records, mirror }: Records,
  { freshness, reader }: Ledger,
  { remote, feeds, policies, turns, kept }: Shared,
  { capsuleKeys }: Vault,
  { trail }: Audit,
): Exchange {
  const { clock } = site
  const answers = new ProxyAnswers(site.problem('a re-encryption proxy does not do its part'))
  const entity = keys.id
  const importing = new Importing({
    entity,
    clock,
    freshness,
    sql: database,
    mirror,
    policies,
    turns,
    feeds,
    capsules: new OpenedCapsules({
      entity,
      encryption: keys.encryption,
      operator: keys.operator,
      master: keys.master,
      sql: database,
      clock,
      told: new ToldRequests(database, records, trail, clock),
      receipts: new KeptReceipts(database),
      answers,
      announced: (proxies) => announcedOf(reader, proxies),
    }),
    remote,
    blocks: kept,
    records,
    index,
    audit: trail,
    onRefused: site.problem('what another entity shares was refused'),
  })
  const purging = new Purging({
    entity,
    clock,
    sql: database,
    mirror,
    policies,
    turns,
    records,
    blocks: kept,
    audit: trail,
    forgetKeys: () => capsuleKeys.forgetAll(),
  })
  const onProblem = site.standingProblem('the exchange has a problem and tries again')
  const worker = new ExchangeWorker(new Outbox(database), feeds, policies, importing, purging, onProblem)
  return { worker, answers }
}

/** As the proxies announced them. */
async function announcedOf(reader: LedgerReader, proxies: readonly PartyId[]): Promise<Map<PartyId, AnnouncedProxy>> {
  const nodes = await reader.readMany(
    'ProxyRegistry',
    'proxyNode',
    proxies.map((proxy) => [proxy] as const),
  )
  return new Map(
    proxies.flatMap((proxy, i) => {
      const { receiptKey = '', endpoint = '' } = nodes[i] ?? {}
      const key = Buffer.from(receiptKey.slice(2), 'hex')
      return key.length === 0 ? [] : [[proxy, { endpoint, receiptKey: new Uint8Array(key) }] as const]
    }),
  )
}

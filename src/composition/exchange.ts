import { Importing } from '../exchange/importing.js'
import { OpenedCapsules } from '../exchange/opened-capsules.js'
import { Purging } from '../exchange/purging.js'
import { ExchangeWorker } from '../exchange/worker.js'
import { Outbox } from '../records/outbox.js'
import type { Audit } from './audit.js'
import type { Ledger } from './ledger.js'
import type { Records } from './records.js'
import type { Shared } from './shared.js'
import type { Site } from './site.js'
import type { Storage } from './storage.js'
import type { Vault } from './vault.js'

/** Who imports what is shared, and purges what no longer is. */
export function composeExchange(
  site: Site,
  { keys }: Storage,
  { database, index, records, mirror }: Records,
  { freshness }: Ledger,
  { remote, feeds, policies, turns, kept }: Shared,
  { capsuleKeys }: Vault,
  { trail }: Audit,
): ExchangeWorker {
  const { clock } = site
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
    capsules: new OpenedCapsules(entity, keys.encryption, keys.operator, keys.master, database, clock),
    remote,
    blocks: kept,
    records,
    index,
    audit: trail,
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
  const onProblem = site.problem('the exchange has a problem and tries again')
  return new ExchangeWorker(new Outbox(database), feeds, policies, importing, purging, onProblem)
}

import { AuditTrail } from '../audit/audit-trail.js'
import { type LogOptions, VerifiableLog } from '../audit/log.js'
import { LedgerMirror } from '../audit/mirror.js'
import { TrailSealing } from '../gateway/trail-sealing.js'
import type { Ledger } from './ledger.js'
import type { Records } from './records.js'
import type { Site } from './site.js'
import type { Storage } from './storage.js'
import type { Vault } from './vault.js'

/** What is told of everything that happens, and how others can check it. */
export interface Audit {
  readonly trail: AuditTrail
  readonly log: VerifiableLog
  readonly ledgerMirror: LedgerMirror
}

/** A head a minute costs little gas; on our own chain, where gas costs nothing, they come faster. */
const HEADS: LogOptions = { publishAfterMs: 60_000, publishAtLeaves: 10_000, lookEveryMs: 1_000 }
const HEADS_OF_OUR_OWN_CHAIN: LogOptions = { ...HEADS, publishAfterMs: 1_000 }

export async function composeAudit(
  site: Site,
  { keys, blocks }: Storage,
  { database, index, records }: Records,
  { contracts, reader, sender, embedded }: Ledger,
  { capsuleKeys, sealer }: Vault,
): Promise<Audit> {
  const notRenewed = site.problem('the key of the audit trail cannot be renewed; the last one is used')
  const { seal } = await TrailSealing.open(capsuleKeys, sealer, site.clock, notRenewed)
  const trail = new AuditTrail(keys.id, site.baseUrl, index, seal)
  const log = new VerifiableLog(
    {
      entity: keys.id,
      database,
      blocks,
      reader,
      sender,
      seal,
      onProblem: site.standingProblem('the audit log has a problem and tries again'),
    },
    embedded === null ? HEADS : HEADS_OF_OUR_OWN_CHAIN,
  )
  const ledgerMirror = new LedgerMirror({
    entity: keys.id,
    database,
    records,
    trail,
    contracts,
    onProblem: site.standingProblem('mirroring the ledger into the trail has a problem and tries again'),
  })
  return { trail, log, ledgerMirror }
}

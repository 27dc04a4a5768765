import { Feeds } from '../exchange/feeds.js'
import { ForeignBlocks } from '../exchange/foreign-blocks.js'
import { PatientTurns } from '../exchange/patient-turns.js'
import { SharedPolicies } from '../exchange/policies.js'
import { PolicyDocuments } from '../exchange/policy-documents.js'
import { RemoteBlocks } from '../exchange/remote-blocks.js'
import type { Records } from './records.js'
import type { Site } from './site.js'
import type { Storage } from './storage.js'

/** What other entities publish: their feeds, and the policy keys that patients share with us. */
export interface Shared {
  readonly remote: RemoteBlocks
  readonly feeds: Feeds
  readonly policies: SharedPolicies
  /** What narrows words of the ledger. */
  readonly documents: PolicyDocuments
  readonly turns: PatientTurns
  /** What is kept of it. */
  readonly kept: ForeignBlocks
}

export function composeShared(
  { clock }: Site,
  { keys, blocks }: Storage,
  { database, index, mirror }: Records,
): Shared {
  const remote = new RemoteBlocks(blocks)
  const turns = new PatientTurns()
  const documents = new PolicyDocuments(database, index, keys.master)
  return {
    remote,
    feeds: new Feeds(keys.id, database, mirror, remote),
    policies: new SharedPolicies(keys.id, keys.encryption, database, mirror, remote, turns, clock, documents),
    documents,
    turns,
    kept: new ForeignBlocks(database, blocks),
  }
}

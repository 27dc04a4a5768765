import { Bodies } from '../gateway/bodies.js'
import { CapsuleKeys } from '../gateway/capsule-keys.js'
import { Custody, CustodyPolicies, sharedPolicyKey } from '../gateway/custody.js'
import { Patients } from '../gateway/patients.js'
import type { Author } from '../vault/seal.js'
import { type Sealer, SealingThread } from '../vault/sealing-thread.js'
import type { Ledger } from './ledger.js'
import type { Shared } from './shared.js'
import type { Site } from './site.js'
import type { Storage } from './storage.js'

/** Keys, whose they are, and what is sealed under them. */
export interface Vault {
  readonly author: Author
  readonly sealer: Sealer
  readonly custody: Custody
  readonly patients: Patients
  readonly policies: CustodyPolicies
  readonly capsuleKeys: CapsuleKeys
  readonly bodies: Bodies
}

export function composeVault(
  site: Site,
  { keys, database, blocks }: Storage,
  { admission }: Ledger,
  shared: Shared,
): Vault {
  const custody = new Custody(keys.master)
  const patients = new Patients(database, admission, custody)
  const policies = new CustodyPolicies(custody, keys.root, (patient) => patients.wrappedRoot(patient), {
    policyKey: (owner, label) => sharedPolicyKey(shared.policies, owner, label),
  })
  const capsuleKeys = new CapsuleKeys(database, keys.id, keys.master, policies, site.clock)
  const author = { id: Buffer.from(keys.id.slice(2), 'hex'), key: keys.author }
  const sealer = new SealingThread(author)
  site.closes('sealing', () => sealer.close())
  const bodies = new Bodies(keys.id, sealer, capsuleKeys, blocks, async (party) =>
    party === keys.id ? [keys.author.publicKey.toBytes()] : shared.feeds.authorKeys(party),
  )
  return { author, sealer, custody, patients, policies, capsuleKeys, bodies }
}

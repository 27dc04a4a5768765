import type { PatientId } from '../consent/permit.js'
import { ConsentryError } from '../errors.js'
import { policySecret, randomKey, signerOf, unwrap, wrap } from '../vault/keys.js'
import type { SharedPolicies } from '../exchange/policies.js'
import type { PublicKey, SecretKey } from '../vault/pre/index.js'
import type { KeyLabel, Owner, PolicyKeys } from './capsule-keys.js'
import type { CustodyKeys } from './patients.js'

/** Policy keys are of epoch 0 until a patient claims its key. */
const EPOCH = 0

/** Root secrets of patients in custody, wrapped by the entity's master key in their rows. */
export class Custody implements CustodyKeys {
  constructor(private readonly master: Uint8Array) {}

  create(patient: PatientId): Uint8Array {
    return wrap(this.master, randomKey(), purpose(patient))
  }

  verifyingKey(patient: PatientId, wrappedRoot: Uint8Array): Uint8Array {
    return signerOf(this.root(patient, wrappedRoot)).publicKey.toBytes()
  }

  root(patient: PatientId, wrappedRoot: Uint8Array): Uint8Array {
    return unwrap(this.master, wrappedRoot, purpose(patient))
  }
}

function purpose(patient: PatientId): string {
  return `patient root ${patient}`
}

/** Policy keys of owners whose root secret is here: our own records, and patients in custody. */
export class CustodyPolicies implements PolicyKeys {
  constructor(
    private readonly custody: Custody,
    private readonly entityRoot: Uint8Array,
    private readonly wrappedRoot: (patient: PatientId) => Promise<Uint8Array | null>,
    private readonly shared: PolicyKeys,
  ) {}

  async policyKey(owner: Owner, label: KeyLabel): Promise<PublicKey> {
    const secret = await this.policySecret(owner, label)
    return secret === null ? this.shared.policyKey(owner, label) : secret.publicKey
  }

  /** `null` when the root secret is not in our custody. */
  async policySecret(owner: Owner, label: KeyLabel): Promise<SecretKey | null> {
    if (owner === null) return policySecret(this.entityRoot, label, EPOCH)
    const wrapped = await this.wrappedRoot(owner)
    return wrapped === null ? null : policySecret(this.custody.root(owner, wrapped), label, EPOCH)
  }
}

/** The policy key that a patient of another entity shares with us. @throws ConsentryError `forbidden` */
export async function sharedPolicyKey(policies: SharedPolicies, owner: Owner, label: KeyLabel): Promise<PublicKey> {
  const key = owner === null || label === 'audit' ? null : await policies.policyKey(owner, label)
  if (key !== null) return key
  throw new ConsentryError('forbidden', 'No policy key of this patient is known here: nothing can be sealed for it.')
}

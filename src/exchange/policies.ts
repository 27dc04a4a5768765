import { type LabelCode, labelBits, labelCodes } from '../consent/labels.js'
import type { ConsentMirror } from '../consent/mirror.js'
import type { PartyId, PatientId } from '../consent/permit.js'
import { readPolicyDocument } from '../consent/policy-document.js'
import { ConsentryError } from '../errors.js'
import { keccak256 } from 'ethers'
import type { Sql } from '../records/database.js'
import { rawCid } from '../vault/envelope.js'
import { PublicKey, type SecretKey } from '../vault/pre/index.js'
import { type GrantPackage, openPackage } from './grant-package.js'
import { heldLabels } from './held-labels.js'
import type { PatientTurns } from './patient-turns.js'
import type { PolicyDocuments } from './policy-documents.js'
import type { ProxyAddress } from './proxies.js'
import type { RemoteBlocks } from './remote-blocks.js'

/** A policy key that a patient shares with us. */
export interface SharedPolicy {
  readonly patient: PatientId
  readonly label: LabelCode
  readonly epoch: number
  readonly policyKey: PublicKey
  readonly verifyingKey: PublicKey
  readonly threshold: number
  readonly proxies: readonly ProxyAddress[]
}

/** Policies out of grant packages that were addressed to us. */
export class SharedPolicies {
  constructor(
    private readonly entity: PartyId,
    private readonly encryption: SecretKey,
    private readonly sql: Sql,
    private readonly mirror: ConsentMirror,
    private readonly remote: RemoteBlocks,
    private readonly turns: PatientTurns,
    private readonly clock: () => number,
    private readonly documents: Pick<PolicyDocuments, 'keep'>,
  ) {}

  /**
   * Takes a package in: it must be for us, of this patient, and name the verifying key that the ledger knows. Policies
   * that were revoked while it was on its way stay out.
   * @throws ConsentryError `unavailable` while the block cannot be had, `integrity` for a package that is not that
   */
  async readPackage({ patient, digest }: { patient: PatientId; digest: string }): Promise<void> {
    const owner = await this.mirror.party(patient)
    const entities = await this.mirror.partiesOfKind('entity')
    // Most likely at the entity that registered the patient.
    const ordered = [...entities].sort((a, b) => Number(b.id === owner?.parent) - Number(a.id === owner?.parent))
    const cid = rawCid(Buffer.from(digest.slice(2), 'hex'))
    const blocks = await this.remote.get(
      [cid],
      ordered.filter(({ id }) => id !== this.entity).flatMap(({ endpoint }) => endpoint ?? []),
    )
    const grant = openPackage(blocks.get(cid) as Uint8Array, this.encryption)
    if (
      grant.patient !== patient ||
      grant.grantee !== this.entity ||
      owner?.keyCommitment?.toLowerCase() !== keccak256(grant.verifyingKey)
    ) {
      throw new ConsentryError('integrity', 'A grant package is not what its grant says.')
    }
    await this.turns.take(patient, () => this.#keep(patient, grant))
  }

  async #keep(patient: PatientId, grant: GrantPackage): Promise<void> {
    // First: words that name it count from then on, and the labels that we hold are those of such words too.
    if (grant.policy !== undefined) {
      const document = readPolicyDocument(grant.policy)
      if (document.patient !== patient || document.grantee !== this.entity) {
        throw new ConsentryError('integrity', 'The policy document of a grant package is of another grant.')
      }
      await this.documents.keep(grant.policy)
    }
    const held = await heldLabels(this.mirror, this.entity, patient, this.clock())
    const policies = grant.policies.filter(({ label }) => (labelBits([label]) & held) !== 0n)
    await this.sql.query(
      `INSERT INTO shared_policy (patient, label_mask, epoch, policy_key, verifying_key, threshold, proxies)
       SELECT $1, i.label_mask, i.epoch, i.policy_key, $5, $6, $7
       FROM unnest($2::bigint[], $3::int[], $4::bytea[]) AS i(label_mask, epoch, policy_key)
       ON CONFLICT (patient, label_mask) DO UPDATE SET epoch = excluded.epoch, policy_key = excluded.policy_key,
         verifying_key = excluded.verifying_key, threshold = excluded.threshold, proxies = excluded.proxies`,
      [
        bytes(patient),
        policies.map(({ label }) => labelBits([label])),
        policies.map(({ epoch }) => epoch),
        policies.map(({ policyKey }) => Buffer.from(policyKey)),
        Buffer.from(grant.verifyingKey),
        grant.threshold,
        JSON.stringify(grant.proxies),
      ],
    )
  }

  async all(): Promise<SharedPolicy[]> {
    return this.#select('SELECT * FROM shared_policy', [])
  }

  /** For sealing what we write ourselves about the patient. */
  async policyKey(patient: PatientId, label: LabelCode): Promise<PublicKey | null> {
    const found = await this.#select('SELECT * FROM shared_policy WHERE patient = $1 AND label_mask = $2', [
      bytes(patient),
      labelBits([label]),
    ])
    return found[0]?.policyKey ?? null
  }

  async forget(patient: PatientId, labels: bigint): Promise<void> {
    await this.sql.query('DELETE FROM shared_policy WHERE patient = $1 AND (label_mask & $2) <> 0', [
      bytes(patient),
      labels,
    ])
  }

  async #select(text: string, values: readonly unknown[]): Promise<SharedPolicy[]> {
    const { rows } = await this.sql.query<{
      patient: Buffer
      label_mask: bigint
      epoch: number
      policy_key: Buffer
      verifying_key: Buffer
      threshold: number
      proxies: ProxyAddress[]
    }>(text, values)
    return rows.map((row) => ({
      patient: `0x${row.patient.toString('hex')}`,
      label: labelCodes(row.label_mask)[0] as LabelCode,
      epoch: row.epoch,
      policyKey: PublicKey.fromBytes(row.policy_key),
      verifyingKey: PublicKey.fromBytes(row.verifying_key),
      threshold: row.threshold,
      proxies: row.proxies,
    }))
  }
}

function bytes(value: string): Buffer {
  return Buffer.from(value.slice(2), 'hex')
}

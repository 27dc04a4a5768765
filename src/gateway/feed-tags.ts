import { labelCodes } from '../consent/labels.js'
import type { PartyId, PatientId } from '../consent/permit.js'
import { feedTag } from '../exchange/feed-tag.js'
import type { Sql } from '../records/database.js'
import type { FeedTags } from './anchoring.js'
import type { PolicyKeys } from './capsule-keys.js'

/** Tags of our own records for a manifest: a patient's by policy key and label; records of nobody are not shared. */
export function feedTagsOf(sql: Sql, entity: PartyId, policies: PolicyKeys): FeedTags {
  return async (versions) => {
    const { rows } = await sql.query<{ resource_pk: bigint; version: number; patient: Buffer | null; labels: bigint }>(
      `SELECT v.resource_pk, v.version, v.patient, v.labels FROM unnest($1::bigint[], $2::int[]) AS i(pk, version)
       JOIN resource_version v ON v.resource_pk = i.pk AND v.version = i.version`,
      [versions.map(({ resourcePk }) => resourcePk), versions.map(({ version }) => version)],
    )
    const tags = new Map<string, Promise<Uint8Array[]>>()
    const ofVersion = new Map(
      rows.flatMap(({ resource_pk, version, patient, labels }) => {
        if (patient === null) return []
        const owner: PatientId = `0x${patient.toString('hex')}`
        const name = `${owner}|${labels}`
        const known = tags.get(name) ?? tagsOf(owner, labels, entity, policies)
        tags.set(name, known)
        return [[`${resource_pk}/${version}`, known] as const]
      }),
    )
    return Promise.all(
      versions.map(({ resourcePk, version }) => ofVersion.get(`${resourcePk}/${version}`) ?? Promise.resolve([])),
    )
  }
}

async function tagsOf(owner: PatientId, labels: bigint, entity: PartyId, policies: PolicyKeys): Promise<Uint8Array[]> {
  const keys = await Promise.all(labelCodes(labels).map((label) => policies.policyKey(owner, label)))
  return keys.map((key) => feedTag(key.toBytes(), entity))
}

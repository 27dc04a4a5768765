import { labelCodes } from '../consent/labels.js'
import type { PartyId, PatientId } from '../consent/permit.js'
import { feedTag } from '../exchange/feed-tag.js'
import type { FeedTags } from './anchoring.js'
import type { PolicyKeys } from './capsule-keys.js'

/** Tags of our own records for a manifest: a patient's by policy key and label; records of nobody are not shared. */
export function feedTagsOf(entity: PartyId, policies: PolicyKeys): FeedTags {
  return async (versions) => {
    const tags = new Map<string, Promise<Uint8Array[]>>()
    return Promise.all(
      versions.map(({ patient, labels }) => {
        if (patient === null) return Promise.resolve([])
        const name = `${patient}|${labels}`
        const known = tags.get(name) ?? tagsOf(patient, labels, entity, policies)
        tags.set(name, known)
        return known
      }),
    )
  }
}

async function tagsOf(owner: PatientId, labels: bigint, entity: PartyId, policies: PolicyKeys): Promise<Uint8Array[]> {
  const keys = await Promise.all(labelCodes(labels).map((label) => policies.policyKey(owner, label)))
  return keys.map((key) => feedTag(key.toBytes(), entity))
}

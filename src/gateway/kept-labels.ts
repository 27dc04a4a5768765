import { GENERAL, labelBits, labelCodes } from '../consent/labels.js'
import { labelsOf } from '../fhir/labels-of.js'
import { isDerivedLabel } from '../fhir/sensitivity.js'
import { storedResource } from '../fhir/stored-resource.js'
import type { Coding } from '../fhir/types.js'
import type { StoredVersion } from '../records/types.js'
import type { Disclosed } from './access.js'
import type { Intent, PutIntent } from './intent.js'
import { openEach } from './open-each.js'
import type { GatewayParts } from './parts.js'

const ACT_CODE = 'http://terminology.hl7.org/CodeSystem/v3-ActCode'

interface Losing {
  readonly intent: PutIntent
  readonly before: StoredVersion
}

/**
 * Security labels of the version before stay when an update leaves them out, as clients of other servers expect: a client that does not know
 * of labels, and writes back what it has read without them, must not disclose what it corrects. Who means to take a label away says so, by
 * `$meta-delete` or by a patch. Labels that a sensitivity value set gave follow the codes (fhir/sensitivity.ts).
 *
 * @param decided among it that what is there may be changed, which is opened by that
 * @returns `intents` themselves where they keep what there was
 */
export async function withKeptLabels(
  parts: GatewayParts,
  decided: readonly Disclosed[],
  intents: readonly Intent[],
  previous: readonly (StoredVersion | null)[],
): Promise<readonly Intent[]> {
  const losing = intents.flatMap((intent, i) => losingOf(parts, intent, previous[i] ?? null))
  const permit = decided.find(({ permit: { action } }) => action === 'update')?.permit
  if (losing.length === 0 || permit === undefined) return intents
  const rows = losing.map(({ before }) => before)
  const bodies = await openEach(parts.bodies, permit, rows)
  const kept = new Map<Intent, Intent>(
    losing.map(({ intent, before }, i) => [intent, labelled(intent, labelsBefore(before, bodies[i] ?? null))]),
  )
  const all = intents.map((intent) => kept.get(intent) ?? intent)
  return all.some((intent, i) => intent !== intents[i]) ? all : intents
}

/** Nothing is opened to see what the rows say: most records have no label, and most updates leave it. */
function losingOf({ sensitivity }: GatewayParts, intent: Intent, before: StoredVersion | null): Losing[] {
  if (intent.kind === 'delete' || intent.method !== 'PUT') return []
  if (before === null || before.deleted || before.source !== null || before.labels === GENERAL) return []
  const labels = labelBits(labelsOf(sensitivity.labelled(intent.resource)))
  return (before.labels & ~labels) === 0n ? [] : [{ intent, before }]
}

/** Those that somebody gave; of a body that is lost, all that the row has. */
function labelsBefore({ labels }: StoredVersion, body: Uint8Array | null): Coding[] {
  if (body === null) return labelCodes(labels).map((code) => ({ system: ACT_CODE, code }))
  return (storedResource(body).meta?.security ?? []).filter((coding) => !isDerivedLabel(coding))
}

function labelled(intent: PutIntent, before: readonly Coding[]): PutIntent {
  const { resource } = intent
  const given = resource.meta?.security ?? []
  const missing = before.filter(
    ({ system, code }) => !given.some((label) => label.system === system && label.code === code),
  )
  if (missing.length === 0) return intent
  return { ...intent, resource: { ...resource, meta: { ...resource.meta, security: [...given, ...missing] } } }
}

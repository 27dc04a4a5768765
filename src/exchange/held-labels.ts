import type { ConsentMirror } from '../consent/mirror.js'
import type { PartyId, PatientId } from '../consent/permit.js'

/** Labels of a patient that a grant to read covers whose period is not over. @param now milliseconds since the epoch */
export async function heldLabels(
  mirror: ConsentMirror,
  entity: PartyId,
  patient: PatientId,
  now: number,
): Promise<bigint> {
  const words = await mirror.words([patient], [entity], 'read')
  return words.filter(({ to }) => to > Math.floor(now / 1000)).reduce((bits, { labels }) => bits | labels, 0n)
}

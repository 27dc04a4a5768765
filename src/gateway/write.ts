import type { NewVersion, StoredVersion } from '../records/types.js'
import type { Disclosed } from './access.js'
import { overtaken } from './contention.js'
import { refuseDefinition } from './definitions.js'
import {
  type IntendedVersion,
  intendedVersions,
  isIdle,
  localPatients,
  patientsConcerned,
  previousVersions,
  subjectsByAction,
} from './draft.js'
import type { Intent } from './intent.js'
import type { InteractionRequest } from './interaction.js'
import { withKeptLabels } from './kept-labels.js'
import { asHidden, isForeign, withoutExistence } from './missing.js'
import { occurrence } from './occurrence.js'
import type { GatewayParts } from './parts.js'
import { patientsOf, takenIds } from './patient-compartment.js'
import { requirePreconditions } from './preconditions.js'
import { requireConformance } from './require-conformance.js'
import type { Trail } from './trail.js'
import { sealVersions } from './versions.js'

/** What became of an intent, in the order of the intents. */
export interface Written {
  readonly type: string
  readonly id: string
  readonly version: number
  /** Milliseconds since the epoch. */
  readonly lastUpdated: number
  readonly outcome: 'created' | 'updated' | 'deleted' | 'unchanged'
  /** The resource as stored, UTF-8 JSON; absent after a delete. */
  readonly body?: Uint8Array
}

/** Told of what is going to be committed, sealed and decided; what it throws ends the write before anything is written. */
export type BeforeCommit = (versions: readonly NewVersion[]) => Promise<void>

/** How often a write begins again because another writer was faster. */
const ATTEMPTS = 5

/**
 * The life of a write, for one resource or for a whole transaction: previous versions → compartments and labels →
 * decision → seal → blocks durable → one SQL transaction with versions, index, audit and what waits to be anchored.
 * All of the intents happen or none.
 *
 * @throws ConsentryError `precondition-failed` (If-Match), `conflict` (claimed by a concurrent conditional create, or a Patient's id that
 * records of another entity name),
 * `forbidden` and `unavailable` as the decision says, `invalid` for an unknown patient and for what breaks a profile of
 * ours that it claims.
 */
export async function write(
  parts: GatewayParts,
  request: InteractionRequest,
  trail: Trail,
  intents: readonly Intent[],
  beforeCommit?: BeforeCommit,
): Promise<Written[]> {
  intents.forEach(refuseDefinition)
  await requireConformance(parts, intents)
  for (let attempt = 1; ; attempt++) {
    const done = await attemptWrite(parts, request, trail, intents, beforeCommit)
    if (done !== 'overtaken') return done
    if (attempt === ATTEMPTS) {
      const [first] = intents
      const what = intents.length === 1 && first ? `${first.type}/${first.id}` : 'a resource of this transaction'
      throw overtaken(`Other writers keep changing ${what}; try again.`)
    }
  }
}

async function attemptWrite(
  parts: GatewayParts,
  request: InteractionRequest,
  trail: Trail,
  asked: readonly Intent[],
  beforeCommit?: BeforeCommit,
): Promise<Written[] | 'overtaken'> {
  const previous = await previousVersions(parts, asked)
  const foreign = isForeign(parts, request)
  const mayAdmit = () => withoutExistence(parts, request, parts.access.admits(request.principal, parts.entity))
  const placement = await patientsOf(parts, asked, previous, mayAdmit, foreign)
  // To another entity's party, what does not exist is what it may not touch: it creates under ids that the server gives.
  if (placement === null || (foreign && asked.some((intent, i) => isNothing(intent, previous[i] ?? null)))) {
    for (const { type, id } of asked) trail.touches(`${type}/${id}`)
    throw await asHidden(parts, request, 'update')
  }
  const { patients, links, present } = placement
  let drafts = intendedVersions(parts, trail, asked, previous, patients)
  const referenceTo = await localPatients(parts, drafts)
  for (const patient of drafts.flatMap(patientsConcerned)) trail.concerns(patient, referenceTo(patient))
  let decided = await withoutExistence(parts, request, decideAll(parts, request, drafts))
  const intents = await withKeptLabels(parts, decided, asked, previous)
  if (intents !== asked) {
    drafts = intendedVersions(parts, trail, intents, previous, patients)
    decided = await withoutExistence(parts, request, decideAll(parts, request, drafts))
  }
  await requirePreconditions(parts, intents, previous)
  const taken = links.length > 0 ? await parts.patients.link(links) : []
  if (taken.length > 0) throw takenIds(taken, intents)

  const [{ versions, bodies }, audit] = await Promise.all([
    sealVersions(
      parts,
      drafts.map(({ intent, ...draft }) => ({
        ...draft,
        type: intent.type,
        id: intent.id,
        deleted: intent.kind === 'delete',
        ...askedBy(intent),
      })),
    ),
    parts.audit.records(
      drafts.map((draft) =>
        occurrence(request, parts.clock(), {
          interaction: draft.action === 'create' ? 'create' : draft.intent.kind === 'delete' ? 'delete' : 'update',
          outcome: '0',
          patients: patientsConcerned(draft).map((id) => ({ id, reference: referenceTo(id) })),
          data: [{ reference: `${draft.intent.type}/${draft.intent.id}`, version: draft.version }],
        }),
      ),
    ),
  ])
  await beforeCommit?.(versions)
  await parts.access.confirm(request.principal, decided)
  const claims = intents.flatMap((intent) => (intent.kind !== 'delete' && intent.claim ? [intent.claim] : []))
  const result = await parts.records.commit({ versions, audit, claims, present })
  if (!result.committed) {
    if (result.conflicts.some((conflict) => conflict.kind === 'claim')) {
      throw overtaken('Another request is creating the same resource under this condition; try again.')
    }
    return 'overtaken'
  }
  parts.committed()
  return report(intents, drafts, bodies, previous)
}

/** What the intent names by an id does not exist. */
function isNothing(intent: Intent, previous: StoredVersion | null): boolean {
  return isIdle(intent, previous) || (intent.kind === 'update' && previous === null)
}

/** How the client asked for the version, for the history. */
function askedBy(intent: Intent): Pick<NewVersion, 'method' | 'operation'> {
  if (intent.kind === 'delete') return { method: 'DELETE' }
  const { method, operation } = intent
  return { method, ...(operation === undefined ? {} : { operation }) }
}

function decideAll(
  parts: GatewayParts,
  request: InteractionRequest,
  drafts: readonly IntendedVersion[],
): Promise<Disclosed[]> {
  return Promise.all(
    Array.from(subjectsByAction(drafts), async ([action, subjects]) => ({
      permit: await parts.access.permit(request.principal, action, subjects),
      subjects,
    })),
  )
}

function report(
  intents: readonly Intent[],
  drafts: readonly IntendedVersion[],
  bodies: readonly Uint8Array[],
  previous: readonly (StoredVersion | null)[],
): Written[] {
  const byIntent = new Map(drafts.map((draft, i) => [draft.intent, { draft, body: bodies[i] as Uint8Array }]))
  return intents.map((intent, i): Written => {
    const { type, id } = intent
    const done = byIntent.get(intent)
    if (!done) {
      const before = previous[i] ?? null
      return { type, id, version: before?.version ?? 0, lastUpdated: before?.lastUpdated ?? 0, outcome: 'unchanged' }
    }
    const { version, lastUpdated, action } = done.draft
    if (intent.kind === 'delete') return { type, id, version, lastUpdated, outcome: 'deleted' }
    return { type, id, version, lastUpdated, outcome: action === 'create' ? 'created' : 'updated', body: done.body }
  })
}

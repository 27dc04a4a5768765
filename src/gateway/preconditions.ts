import { ConsentryError } from '../errors.js'
import type { StoredVersion } from '../records/types.js'
import { overtaken } from './contention.js'
import { isAbsent } from './draft.js'
import type { Intent } from './intent.js'
import type { GatewayParts } from './parts.js'

/**
 * What must be so of what is there. To be asked after the decision: whoever is denied learns neither that a resource exists
 * nor its version.
 *
 * @throws ConsentryError `precondition-failed` (If-Match, If-None-Match), `conflict` (a conditional update that would write over
 * what its condition does not match, a patch of an older version, a Consent that stands for a grant), `forbidden` (another entity's record)
 */
export async function requirePreconditions(
  parts: GatewayParts,
  intents: readonly Intent[],
  previous: readonly (StoredVersion | null)[],
): Promise<void> {
  for (const check of [checkIfMatch, checkUnmatched, checkBasis, refuseShared]) {
    intents.forEach((intent, i) => check(intent, previous[i] ?? null))
  }
  await refuseLedgers(parts, intents)
}

function checkIfMatch(intent: Intent, previous: StoredVersion | null): void {
  if (intent.kind !== 'delete' && intent.ifAbsent === true && !isAbsent(previous)) {
    throw new ConsentryError(
      'precondition-failed',
      `If-None-Match: * allows no ${intent.type}/${intent.id}; it exists.`,
      {
        expression: [intent.at],
      },
    )
  }
  const wanted = intent.kind === 'create' ? undefined : intent.ifMatch
  if (wanted === undefined) return
  const found = isAbsent(previous) ? null : (previous as StoredVersion).version
  if (found === wanted) return
  throw new ConsentryError(
    'precondition-failed',
    `If-Match names version ${wanted} of ${intent.type}/${intent.id}; ${found === null ? 'it does not exist' : `the current version is ${found}`}.`,
    { expression: [intent.at] },
  )
}

/** R4 says "update as create" and nothing of an id that is taken; R5 does: 409 (https://hl7.org/fhir/R5/http.html#cond-update). */
function checkUnmatched(intent: Intent, previous: StoredVersion | null): void {
  if (intent.kind === 'delete' || intent.unmatched !== true || isAbsent(previous)) return
  throw new ConsentryError(
    'conflict',
    `The condition matches nothing, and ${intent.type}/${intent.id} exists: update it by its id, or leave the id out to create another.`,
    { expression: [`${intent.at}.id`] },
  )
}

function checkBasis(intent: Intent, previous: StoredVersion | null): void {
  if (intent.kind === 'delete' || intent.basis === undefined || intent.basis === previous?.version) return
  throw overtaken(`Other writers keep changing ${intent.type}/${intent.id}, which the patch is for; try again.`)
}

/** What another entity shares with us is its own to change; we hold a copy that follows. */
function refuseShared(intent: Intent, previous: StoredVersion | null): void {
  if (previous === null || previous.source === null) return
  throw new ConsentryError(
    'forbidden',
    `${intent.type}/${intent.id} was written by another entity and is shared with this one to read; its author changes it.`,
    { expression: [intent.at] },
  )
}

/** A Consent that stands for a grant says what the ledger says, so that it can neither be changed nor deleted besides. */
async function refuseLedgers(parts: GatewayParts, intents: readonly Intent[]): Promise<void> {
  const consents = intents.filter(({ type }) => type === 'Consent')
  const linked = new Set((await parts.consents.of(consents.map(({ id }) => id))).map(({ consentId }) => consentId))
  const refused = consents.filter(({ id }) => linked.has(id))
  if (refused.length === 0) return
  throw new ConsentryError('conflict', 'This Consent stands for a grant on the ledger.', {
    issues: refused.slice(0, 20).map(({ id, at }) => ({
      severity: 'error',
      code: 'business-rule',
      diagnostics: `Consent/${id} stands for a grant on the ledger and follows it: take it back with $revoke, and propose a new Consent for other terms.`,
      expression: [at],
    })),
  })
}

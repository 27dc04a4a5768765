import { requirePrivacyScope } from '../../auth/own-scopes.js'
import { instant } from '../../consent/instant.js'
import { ConsentryError } from '../../errors.js'
import type { Resource } from '../../fhir/types.js'
import type { AuditedHandler } from '../audited.js'
import { occurrence } from '../occurrence.js'
import { operationInput } from '../operation-input.js'
import type { GatewayParts } from '../parts.js'
import { ACCESS_STATE, coded, REVIEW_OUTCOME, REVIEW_OUTCOMES } from './access-codes.js'
import { type AccessParts, personOf } from './break-glass.js'
import { loadNotice, noticeResponse } from './loaded-notice.js'
import { writeNotices } from './notice-writing.js'
import type { Notice, Person } from './notices.js'

const COMMENT = 2_000

/**
 * `Task/[id]/$review`: a second person says whether an emergency access was justified. Never the one who broke the glass: another
 * practitioner, or, where the clients are registered for no practitioner, another client. Once.
 */
export function review(parts: GatewayParts, access: AccessParts): AuditedHandler {
  return async (request, trail) => {
    requirePrivacyScope(request.principal)
    const { outcome, comment } = inputOf(operationInput(request))
    const { row, resource, notice } = await loadNotice(parts, access, request, trail, 'review')
    if (notice.doneAt !== null) throw reviewed()
    // Whoever wrote that died before it was noted that the review is due no more.
    if (resource['status'] === 'completed') {
      await access.notices.done(row.id, parts.clock())
      throw reviewed()
    }
    if (notice.told === null) {
      throw new ConsentryError(
        'conflict',
        'This emergency access is not on the ledger: there is nothing to review yet.',
      )
    }
    const reviewer = personOf(request.principal)
    requireOther(notice, reviewer)
    const now = parts.clock()
    const done: Resource = {
      ...resource,
      status: 'completed',
      businessStatus: coded(ACCESS_STATE, 'reviewed'),
      lastModified: instant(Math.floor(now / 1000)),
      output: [
        { type: { text: 'Outcome of the review' }, valueCodeableConcept: coded(REVIEW_OUTCOME, outcome, comment) },
        { type: { text: 'Reviewer' }, valueString: reviewer.practitioner ?? reviewer.subject ?? reviewer.client },
      ],
    }
    trail.touches(`Task/${row.id}`, row.version + 1)
    const what = { interaction: '$review', outcome: '0' as const, outcomeDescription: outcome, ...trail.told }
    const told = {
      id: row.id,
      patient: notice.patient,
      resource: done,
      previous: row,
      evidence: null,
      description: outcome,
    }
    if (!(await writeNotices(parts, [told], [occurrence(request, now, what)]))) {
      throw new ConsentryError('conflict', 'The Task has changed meanwhile: read it and review again.')
    }
    await access.notices.done(row.id, now)
    return noticeResponse(parts, request, row.type, row.id)
  }
}

function reviewed(): ConsentryError {
  return new ConsentryError('conflict', 'This emergency access has been reviewed already.')
}

/** @throws ConsentryError `forbidden` for the person who broke the glass, and where that cannot be told apart */
export function requireOther({ person, about }: Pick<Notice, 'person' | 'about'>, reviewer: Person): void {
  const { practitioner } = reviewer
  // Whoever has a wallet may have broken it without this gateway: then the ledger alone says who it was.
  const breaker = person?.practitioner ?? about['grantee']
  const same = (practitioner !== undefined && practitioner === breaker) || person?.client === reviewer.client
  const others = person?.practitioner !== undefined && practitioner !== undefined && practitioner !== breaker
  if (!same || others) return
  throw new ConsentryError(
    'forbidden',
    'An emergency access is reviewed by a second person: by another practitioner, or with a client of another registration, than broke the glass.',
  )
}

function inputOf(input: ReturnType<typeof operationInput>): { outcome: string; comment: string | undefined } {
  const [outcome] = input.strings('outcome')
  const [comment] = input.strings('comment')
  if (!REVIEW_OUTCOMES.some((known) => known === outcome)) {
    throw new ConsentryError('invalid', `The outcome must be one of ${REVIEW_OUTCOMES.join(', ')}.`, {
      code: 'code-invalid',
      expression: ['Parameters.parameter:outcome'],
    })
  }
  if ((comment?.length ?? 0) > COMMENT) {
    throw new ConsentryError('invalid', `The comment may have ${COMMENT} letters at most.`, {
      code: 'too-long',
      expression: ['Parameters.parameter:comment'],
    })
  }
  return { outcome: outcome as string, comment }
}

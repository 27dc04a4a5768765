import type { EntryPlan } from './plan.js'

/**
 * What is left to do for an entry once its conditions are known.
 *
 * - `create`, `update`: write `resource`, which has its `id` and references that hold here. An update whose id does
 *   not exist yet creates it (https://hl7.org/fhir/R4/http.html#upsert), if the server allows that.
 * - `existing`: a conditional create found `type/id`; nothing is written, 200.
 * - `delete`, `patch`: `type/id`; `resource` of a patch is the patch.
 * - `nothing`: a conditional delete found nothing, 204.
 * - `ask`: a read, search or operation, after the writes.
 */
export interface ResolvedEntry extends EntryPlan {
  readonly action: 'create' | 'update' | 'existing' | 'delete' | 'patch' | 'nothing' | 'ask'
  /** Of a conditional update that found nothing: its own id may not be taken. */
  readonly unmatched?: boolean
}

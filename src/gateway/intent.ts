import type { ValidResource } from '../fhir/types.js'
import type { Claim } from '../records/types.js'

/** What a write wants, one per resource. `at` is the place in the client's input, for errors. */
export type Intent = PutIntent | DeleteIntent

export interface PutIntent {
  readonly kind: 'create' | 'update'
  /** As the client asked, for the history. */
  readonly method: 'POST' | 'PUT' | 'PATCH'
  /** With its `$`, where it was an operation that asked. */
  readonly operation?: string
  readonly type: string
  readonly id: string
  readonly resource: ValidResource
  readonly ifMatch?: number
  /** `If-None-Match: *`: only where nothing is there. */
  readonly ifAbsent?: boolean
  /** Of a conditional update that matched nothing: the id is the client's own, to create under it and not to write over what it did not mean. */
  readonly unmatched?: boolean
  /** Version that a patch was applied to: the update is of this one or is made anew. */
  readonly basis?: number
  /** Of a conditional create. */
  readonly claim?: Claim
  readonly at: string
}

export interface DeleteIntent {
  readonly kind: 'delete'
  readonly type: string
  readonly id: string
  readonly ifMatch?: number
  readonly at: string
}

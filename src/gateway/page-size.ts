import { ConsentryError } from '../errors.js'
import type { Page } from '../fhir/bundle.js'
import type { InteractionRequest } from './interaction.js'
import type { GatewayLimits } from './parts.js'

/** What the links of every page have of the request that it answers. */
export function pageOf({ baseUrl, representation = [] }: InteractionRequest): Pick<Page, 'base' | 'representation'> {
  return { base: baseUrl, representation }
}

/** Entries of a page: what the client asks for, but not more than the server gives at once. */
export function pageSize(limits: GatewayLimits, asked: string | number | undefined): number {
  if (asked === undefined) return limits.pageSize
  const count = Number(asked)
  if (Number.isInteger(count) && count >= 0) return Math.min(count, limits.maxPageSize)
  throw new ConsentryError('malformed', '_count must be a whole number, 0 or more.', {
    code: 'value',
    expression: ['_count'],
  })
}

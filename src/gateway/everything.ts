import { allows, requireScope } from '../auth/allows.js'
import { ConsentryError } from '../errors.js'
import { searchsetBundle } from '../fhir/bundle.js'
import { CARE_DATES } from '../fhir/care-dates.js'
import { isResourceType, structures } from '../fhir/definitions/structures.js'
import { DATE_MAX, DATE_MIN, type DateRange, dateRange } from '../fhir/search/date-range.js'
import type { CompartmentQuery, DatedBy } from '../records/compartment.js'
import type { AuditedHandler } from './audited.js'
import { disclose, trace } from './disclose.js'
import type { InteractionRequest } from './interaction.js'
import { missing, withoutExistence } from './missing.js'
import { namedValues } from './named-values.js'
import type { OperationTable } from './operations.js'
import { pageOf, pageSize } from './page-size.js'
import type { GatewayParts } from './parts.js'
import { released } from './release.js'
import type { Trail } from './trail.js'

/** Practitioners, organizations and the like that come along with a page. */
const MOST_RELATED = 1000
const PARAMETERS = ['start', 'end', '_since', '_type', '_count', '_cursor']

/**
 * `Patient/[id]/$everything` and `Patient/$everything`, https://hl7.org/fhir/R4/patient-operation-everything.html: what is in the
 * compartment of the patient, or of every patient that consent opens, and what it refers to that is in nobody's. The consent
 * decision is a condition inside the SQL.
 */
export function everythingOperations(parts: GatewayParts): OperationTable {
  const run = released(parts, everything(parts))
  return { 'Patient/[id]/$everything': run, 'Patient/$everything': run }
}

function everything(parts: GatewayParts): AuditedHandler {
  return async (request, trail) => {
    const given = parametersOf(request)
    const types = typesOf(request, given.get('_type'))
    const patient = request.id === undefined ? undefined : await patientOf(parts, request, trail)
    const since = rangeOf('_since', given.get('_since'))?.lo
    const dated = datedBy(types, given)
    const cursor = given.get('_cursor')
    const query: CompartmentQuery = {
      types,
      count: pageSize(parts.limits, given.get('_count')),
      related: MOST_RELATED,
      ...(patient === undefined ? {} : { patient }),
      ...(since === undefined ? {} : { since }),
      ...(dated === undefined ? {} : { dated }),
      ...(cursor === undefined ? {} : { cursor }),
    }
    const filter = await parts.access.filter(request.principal, 'read')
    const page = await parts.records.compartment(query, filter)
    trail.opened.count(filter, page.total, async (now) => (await parts.records.compartment(query, now)).total)
    const rows = [...page.rows, ...page.related]
    const permit = await parts.access.permit(request.principal, 'read', rows)
    await trace(parts, trail, rows)
    const bodies = await disclose(parts, request, trail, permit, rows, { interaction: '$everything' })
    const at = request.id === undefined ? 'Patient' : `Patient/${request.id}`
    const body = searchsetBundle(
      { type: `${at}/$everything`, applied: [...given].filter(([name]) => name !== '_cursor'), ignored: [] },
      rows.map(({ type, id }, i) => ({
        type,
        id,
        resource: bodies[i] as Uint8Array,
        mode: i < page.rows.length ? ('match' as const) : ('include' as const),
      })),
      { ...pageOf(request), total: page.total, ...(page.next === null ? {} : { next: page.next }) },
    )
    return { status: 200, headers: {}, body }
  }
}

async function patientOf(parts: GatewayParts, request: InteractionRequest, trail: Trail) {
  const [row] = await parts.records.read([{ type: 'Patient', id: request.id as string }])
  if (!row) {
    trail.touches(`Patient/${request.id}`)
    throw await missing(parts, request, `Patient/${request.id}`)
  }
  await trace(parts, trail, [row])
  await withoutExistence(parts, request, parts.access.permit(request.principal, 'read', [row]))
  if (row.deleted) throw new ConsentryError('gone', `Patient/${row.id} was deleted.`)
  if (row.patient === null) throw new ConsentryError('integrity', 'A Patient is in no compartment.')
  return row.patient
}

/** Types that the token reaches without narrowing, of those asked for. */
function typesOf({ principal }: InteractionRequest, asked: string | undefined): string[] {
  requireScope(principal, 'Patient', 'search-type')
  const wanted = asked === undefined ? structures().resources : asked.split(',')
  const unknown = wanted.find((type) => !isResourceType(type))
  if (unknown !== undefined) {
    throw new ConsentryError('malformed', '_type must name resource types of R4, separated by commas.', {
      code: 'value',
      expression: ['_type'],
    })
  }
  return wanted.filter((type) => {
    const decision = allows(principal, type, 'search-type')
    return decision.allowed && decision.filters === null && type !== 'AuditEvent'
  })
}

/** By dates of care: from the beginning of `start` to the end of `end`; what has no such date is always in scope. */
function datedBy(types: readonly string[], given: ReadonlyMap<string, string>): DatedBy | undefined {
  const start = rangeOf('start', given.get('start'))
  const end = rangeOf('end', given.get('end'))
  if (start === undefined && end === undefined) return undefined
  const [lo, hi] = [start?.lo ?? DATE_MIN, end?.hi ?? DATE_MAX]
  if (lo < hi) {
    const parameters = types.flatMap((type) => (CARE_DATES[type] ?? []).map((param) => ({ type, param })))
    return { lo, hi, parameters }
  }
  throw new ConsentryError('malformed', 'end must not be before start.', { code: 'value', expression: ['end'] })
}

function rangeOf(name: string, value: string | undefined): DateRange | undefined {
  const range = value === undefined ? undefined : dateRange(value)
  if (value === undefined || range !== undefined) return range
  throw new ConsentryError('malformed', `${name} must be a date or an instant, such as 2026-11-26T08:00:00Z.`, {
    code: 'value',
    expression: [name],
  })
}

/** Of the URL, or of Parameters. */
function parametersOf(request: InteractionRequest): Map<string, string> {
  const given = new Map<string, string>()
  for (const [name, value] of namedValues(request)) {
    if (!PARAMETERS.includes(name)) {
      throw new ConsentryError('malformed', `$everything is served with ${PARAMETERS.slice(0, -1).join(', ')}.`, {
        code: 'not-supported',
        expression: [name.slice(0, 40)],
      })
    }
    const before = given.get(name)
    given.set(name, before === undefined || name !== '_type' ? value : `${before},${value}`)
  }
  return given
}

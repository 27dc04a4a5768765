import { GraphQLError } from 'graphql'
import type { SearchArgument } from './table.js'

type Params = readonly (readonly [name: string, value: string])[]

/**
 * The parameters of a search from the arguments of its field. A cursor brings its own: "The client cannot change
 * the parameters for the search (and should not specify them) when providing a cursor."
 */
export function paramsOf(
  known: readonly SearchArgument[],
  args: Readonly<Record<string, unknown>>,
  hasCursor: boolean,
): Params {
  if (hasCursor) return readCursor(String(args['_cursor'])).filter(([name]) => name !== FHIRPATH)
  const codes = new Map(known.map(({ code }) => [code.replaceAll('-', '_'), code]))
  return Object.entries(args).flatMap(([name, value]): Params => {
    if (value === undefined || value === null || name === '_reference' || name === FHIRPATH) return []
    const code = codes.get(name)
    if (code === undefined) return [[name, `${value as string}`]]
    // a variable that is no list arrives as it is
    const values = (Array.isArray(value) ? value : [value]) as unknown[]
    return values.length === 0 ? [] : [[code, values.map((each) => escapeCommas(String(each as string))).join(',')]]
  })
}

/** Commas part alternatives in a search; here a list does, so one inside a value is meant. */
function escapeCommas(value: string): string {
  return value.replace(/\\.|,/g, (found) => (found === ',' ? '\\,' : found))
}

export function cursorOf(params: Params, cursor: string, fhirpath?: unknown): string {
  const kept = params.filter(([name]) => name !== '_cursor')
  const filter = typeof fhirpath === 'string' ? [[FHIRPATH, fhirpath]] : []
  return Buffer.from(JSON.stringify([...kept, ...filter, ['_cursor', cursor]])).toString('base64url')
}

/** No parameter of a search, but of its field: a page is looked through once it was read. */
const FHIRPATH = 'fhirpath'

export function fhirpathOf(cursor: string): string | undefined {
  return readCursor(cursor).find(([name]) => name === FHIRPATH)?.[1]
}

/** Rows of the page that a cursor leads to, if it says; whoever makes up a cursor pays for what is in it. */
export function countOf(cursor: string): number | undefined {
  try {
    const [, count] = readCursor(cursor).find(([name]) => name === '_count') ?? []
    return count === undefined ? undefined : Number(count)
  } catch {
    return undefined // refused when it is used
  }
}

function readCursor(cursor: string): Params {
  try {
    const params: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    if (Array.isArray(params) && params.every(isPair)) return params
  } catch {
    // told below
  }
  throw new GraphQLError('This is no cursor of this server.', { extensions: { code: 'value' } })
}

function isPair(value: unknown): value is [string, string] {
  return Array.isArray(value) && value.length === 2 && value.every((part) => typeof part === 'string')
}

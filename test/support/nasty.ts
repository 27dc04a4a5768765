import { request } from 'node:http'
import fc from 'fast-check'

/** Pieces that URLs of this server are made of, mixed with ones they are not. */
const piece = fc.oneof(
  fc.constantFrom(
    'Patient',
    'Observation',
    'AuditEvent',
    'Binary',
    'Bundle',
    'Encounter',
    'Practitioner',
    '_history',
    '_search',
    '$everything',
    '*',
    'metadata',
    '.well-known',
    'smart-configuration',
  ),
  fc.constantFrom('', '..', '%2e%2e', '%', '%zz', '%00', '%2F', '%ff', '$', '_', ';a=b', '~', 'Zoë', '1', 'a-b.c'),
  fc.string({ maxLength: 80 }).map((text) => encodeURIComponent(text.toWellFormed())),
  fc.stringMatching(/^[!-"$->@-~]{0,40}$/),
)
const prefix = fc.constantFrom('/fhir', '/fhir', '/fhir', '/oauth', '/ipfs', '/health', '/metrics', '')
const query = fc
  .array(fc.tuple(piece, piece), { maxLength: 5 })
  .map((pairs) => pairs.map(([a, b]) => `${a}=${b}`).join('&'))
export const url = fc
  .tuple(prefix, fc.array(piece, { maxLength: 6 }), fc.option(query, { nil: undefined }))
  .map(([base, pieces, search]) =>
    `${base}/${pieces.join('/')}${search === undefined ? '' : `?${search}`}`.replace(/[^!-~]/g, ''),
  )
const headerText = fc.stringMatching(/^[ -~]{0,60}$/)
export const headers = fc.record(
  {
    authorization: fc.oneof(fc.constant('valid'), fc.constant('valid'), headerText),
    accept: fc.oneof(
      fc.constantFrom('*/*', 'application/fhir+json', 'application/fhir+xml;q=1, */*;q=0.1'),
      headerText,
    ),
    'accept-encoding': fc.oneof(fc.constantFrom('gzip', 'br', 'identity, *;q=0', 'gzip;q=x'), headerText),
    'content-type': fc.oneof(
      fc.constantFrom(
        'application/fhir+json',
        'application/json-patch+json',
        'application/x-www-form-urlencoded',
        'text/x;charset="',
      ),
      headerText,
    ),
    'content-encoding': fc.oneof(fc.constantFrom('gzip', 'br', 'identity'), headerText),
    'if-none-match': headerText,
    'x-request-id': headerText,
    origin: headerText,
    range: fc.constantFrom('bytes=0-1', 'bytes=x'),
    expect: fc.constantFrom('100-continue', 'nonsense'),
  },
  { requiredKeys: [] },
)
export const method = fc.constantFrom(
  'GET',
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
  'QUERY',
)
export const body = fc.oneof(
  fc.constant(undefined),
  fc.string().map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 12_000 }).map((b) => Buffer.from(b)),
)

export interface Answer {
  status: number
  text: string
  received: NodeJS.Dict<string | string[]>
}

/** One request over plain node, which sends what it is told. */
export function ask(
  origin: string,
  verb: string,
  path: string,
  sent: Record<string, string | undefined>,
  body?: Buffer,
): Promise<Answer> {
  // Node would send it without a length, and so as the next request.
  const bytes = verb === 'HEAD' || body === undefined ? Buffer.alloc(0) : body
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(origin)
    const present = Object.entries(sent).filter((entry): entry is [string, string] => entry[1] !== undefined)
    const outgoing = request(
      {
        hostname,
        port,
        method: verb,
        path,
        headers: { ...Object.fromEntries(present), 'content-length': bytes.length },
      },
      (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => (text += chunk))
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text, received: response.headers }))
        response.on('error', reject)
      },
    )
    // A refusal may come before the body is out, and the line be closed under it.
    outgoing.on('error', (error: NodeJS.ErrnoException) =>
      ['EPIPE', 'ECONNRESET'].includes(error.code ?? '')
        ? resolve({ status: 0, text: '', received: {} })
        : reject(error),
    )
    outgoing.end(bytes)
  })
}

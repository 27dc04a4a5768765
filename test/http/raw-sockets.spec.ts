import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startEdge, type TestEdge } from '../support/edge.js'

let edge: TestEdge
let bearer: string
beforeAll(async () => {
  edge = await startEdge({ bodyBytes: 4096 })
  bearer = `Bearer ${await edge.token()}`
})
afterAll(() => edge.close())

/** Everything the server says to these bytes until it closes or `until` is seen. */
function say(bytes: string | Buffer, until?: RegExp): Promise<string> {
  const { hostname, port } = new URL(edge.origin)
  return new Promise((resolve) => {
    let heard = ''
    const socket = connect(Number(port), hostname, () => socket.write(bytes))
    socket.on('data', (data) => {
      heard += data.toString('latin1')
      if (until?.test(heard)) socket.destroy()
    })
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(heard))
  })
}
const head = (line: string, ...headers: string[]) =>
  [line, 'Host: x', `Authorization: ${bearer}`, 'Connection: close', ...headers, '', ''].join('\r\n')
const status = (heard: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(heard)?.[1])

describe('bytes that no client library would send', () => {
  it.each([
    ['no HTTP at all', 'hello\r\n\r\n', 400],
    ['a method that does not exist', () => head('FETCH /fhir/Patient/1 HTTP/1.1'), 400],
    ['a method that is not ours', () => head('TRACE /fhir/Patient/1 HTTP/1.1'), 405],
    ['a query in the body', () => head('QUERY /fhir/ HTTP/1.1'), 405],
    ['a method of something else', () => head('PROPFIND /fhir HTTP/1.1'), 405],
    ['nothing of ours', () => head('GET / HTTP/1.1'), 404],
    ['a method where it is none', () => head('POST /health/live HTTP/1.1', 'Content-Length: 0'), 404],
    ['a blank in the URL', () => head('GET /fhir/Patient?name=a b HTTP/1.1'), 400],
    ['another HTTP version', () => head('GET /fhir/Patient/1 HTTP/3.7'), 400],
    ['the absolute form', () => head('GET http://elsewhere.example/fhir/Patient/1?a=b HTTP/1.1'), 200],
    ['the asterisk form', () => head('OPTIONS * HTTP/1.1'), 204],
    ['a fragment', () => head('GET /fhir/Patient/1#part HTTP/1.1'), 200],
    ['raw UTF-8 in the URL', () => head('GET /fhir/Patient?name=Zoë HTTP/1.1'), 400],
    ['overlong UTF-8', () => head('GET /fhir/Patient?name=%c0%ae HTTP/1.1'), 400],
    ['dot segments', () => head('GET /fhir/../fhir/Patient/1 HTTP/1.1'), 404],
    ['encoded dot segments', () => head('GET /fhir/Patient/%2e%2e%2f%2e%2e HTTP/1.1'), 400],
    ['empty segments', () => head('GET /fhir//Patient/1 HTTP/1.1'), 404],
    ['a slash at the end', () => head('GET /fhir/Patient/1/ HTTP/1.1'), 200],
    ['a control character in a header', () => head('GET /fhir/Patient/1 HTTP/1.1', 'Prefer: a\x01b'), 400],
    ['two lengths', () => head('PUT /fhir/Patient/1 HTTP/1.1', 'Content-Length: 2', 'Content-Length: 3'), 400],
    [
      'a length and chunks',
      () => `${head('PUT /fhir/Patient/1 HTTP/1.1', 'Content-Length: 2', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
      400,
    ],
    [
      'a negative length',
      () => head('PUT /fhir/Patient/1 HTTP/1.1', 'Content-Type: application/json', 'Content-Length: -1'),
      400,
    ],
    [
      'a chunk that is none',
      () =>
        `${head('PUT /fhir/Patient/1 HTTP/1.1', 'Content-Type: application/json', 'Transfer-Encoding: chunked')}zz\r\n\r\n`,
      400,
    ],
    ['headers without end', () => head('GET /fhir/Patient/1 HTTP/1.1', `X: ${'x'.repeat(70_000)}`), 431],
    ['two Authorization headers', () => head('GET /fhir/Patient/1 HTTP/1.1', 'Authorization: Bearer other'), 200],
    ['an upgrade', () => head('GET /fhir/Patient/1 HTTP/1.1', 'Upgrade: websocket'), 200],
  ] as const)('%s', async (_name, bytes, expected) => {
    const heard = await say(typeof bytes === 'string' ? bytes : bytes())
    expect(status(heard)).toBe(expected)
    if (expected < 400) return
    const [headers = '', body = ''] = heard.split('\r\n\r\n')
    expect(headers.toLowerCase()).toContain('content-type: application/fhir+json; charset=utf-8')
    expect(headers.toLowerCase()).toContain('x-content-type-options: nosniff')
    const [issue] = (JSON.parse(body) as { issue: { diagnostics: string }[] }).issue
    expect(issue?.diagnostics).toMatch(/\w{3}/)
    expect(issue?.diagnostics).not.toContain('log has the cause')
  })

  it('what FHIR has no method for says which ones it has', async () => {
    expect(await say(head('PROPFIND /fhir HTTP/1.1'))).toMatch(/allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS/i)
  })

  it('a body longer than announced is the next request, and no good one', async () => {
    const put = [
      'PUT /fhir/Patient/1 HTTP/1.1',
      'Host: x',
      `Authorization: ${bearer}`,
      'Content-Type: application/json',
      'Content-Length: 2',
    ]
    const heard = await say(`${put.join('\r\n')}\r\n\r\n{}GARBAGE\r\n\r\n`)
    expect(heard.match(/HTTP\/1\.1 \d+/g)?.at(-1)).toBe('HTTP/1.1 400')
  })

  it('requests in a pipeline are answered in order', async () => {
    const one = (id: string) =>
      `GET /fhir/Patient/${id} HTTP/1.1\r\nHost: x\r\nAuthorization: ${bearer}\r\nX-Request-Id: ${id}\r\n\r\n`
    const heard = await say(`${one('a')}${one('b')}${head('GET /fhir/Patient/c HTTP/1.1', 'X-Request-Id: c')}`)
    expect(heard.match(/x-request-id: (\w)/g)).toEqual(['x-request-id: a', 'x-request-id: b', 'x-request-id: c'])
  })

  it('a client that goes away in the middle of its body reaches no interaction', async () => {
    const before = edge.seen.length
    const { hostname, port } = new URL(edge.origin)
    await new Promise<void>((resolve) => {
      const socket = connect(Number(port), hostname, () => {
        socket.write(
          head('PUT /fhir/Patient/1 HTTP/1.1', 'Content-Type: application/json', 'Content-Length: 100') + '{"half":',
        )
        setImmediate(() => socket.destroy())
      })
      socket.on('close', () => resolve())
    })
    await fetch(`${edge.fhir}/metadata`)
    expect(edge.seen.slice(before).map(({ interaction }) => interaction)).toEqual(['capabilities'])
  })

  it('an early refusal does not leave the rest of the body on the line as a request', async () => {
    const body = 'GET /fhir/metadata HTTP/1.1\r\nHost: x\r\n\r\n'
    const heard = await say(
      `PUT /fhir/Patient/1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}` +
        'GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    )
    expect(heard.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 401', 'HTTP/1.1 200'])
    expect(heard).not.toContain('CapabilityStatement')
  })
})

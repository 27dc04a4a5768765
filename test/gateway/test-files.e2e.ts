import { beforeAll, describe, expect, it } from 'vitest'
import { type RunningProcess, tokenOf } from '../support/gateway.js'
import { SERVER_TESTFILES } from '../fhir/server-testfiles-otherwise.js'
import { hasSharedData, listShared, readSharedBytes } from '../support/shared-data.js'
import { sharedGateway } from '../support/shared-gateway.js'

/*
 * Every request body of another server's tests, good and bad, over HTTP. What is refused is refused with a status of the client's fault and an
 * OperationOutcome that says where and why, and stands here with its reason.
 */
const FOLDER = 'server-testfiles-microsoft'

interface Body {
  readonly name: string
  readonly text: string
}

/** One body each, of NDJSON one for each line. */
function bodies(): Body[] {
  return listShared(FOLDER).flatMap((folder) =>
    listShared(FOLDER, folder).flatMap((name): Body[] => {
      const text = Buffer.from(readSharedBytes(FOLDER, folder, name)).toString()
      if (!name.endsWith('.ndjson')) return [{ name, text }]
      return text
        .split('\n')
        .flatMap((line, i) => (line.trim() === '' ? [] : [{ name: `${name}:${i + 1}`, text: line }]))
    }),
  )
}

interface Issue {
  readonly severity: string
  readonly code: string
  readonly diagnostics?: string
  readonly expression?: readonly string[]
}
type Json = Record<string, unknown>

describe.skipIf(!hasSharedData)('request bodies of another server over HTTP (../shared/data is needed)', () => {
  let data: string
  let gateway: RunningProcess
  let token: { readonly text: string; readonly at: number } | undefined

  beforeAll(async () => {
    ;({ data, running: gateway } = await sharedGateway())
  }, 300_000)
  async function send(method: string, path: string, body: string, type = 'application/fhir+json') {
    if (token === undefined || performance.now() - token.at > 120_000) {
      token = { text: await tokenOf(data, 'ehr'), at: performance.now() }
    }
    const headers = { authorization: `Bearer ${token.text}`, 'content-type': type, accept: 'application/fhir+json' }
    const response = await fetch(`${gateway.fhir}${path}`, { method, headers, body })
    const text = await response.text()
    return { status: response.status, body: (text.startsWith('{') ? JSON.parse(text) : {}) as Json }
  }

  /** Patients whom the bodies speak of: what is about a patient whom nobody knows has no consent to ask. */
  async function makePatients(): Promise<void> {
    const named = bodies().flatMap(({ text }) =>
      Array.from(text.matchAll(/(?<=")Patient\/([A-Za-z0-9.-]{1,64})(?=")/g), ([, id]) => id as string),
    )
    const entry = [...new Set(named)].map((id) => ({
      request: { method: 'PUT', url: `Patient/${id}` },
      resource: { resourceType: 'Patient', id },
    }))
    const { status, body } = await send(
      'POST',
      '',
      JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry }),
    )
    expect(status, JSON.stringify(body)).toBe(200)
  }

  /** As a client would send it: a transaction or batch to the base, everything else to its type. */
  function post({ name, text }: Body) {
    const type =
      /"resourceType"\s*:\s*"(\w+)"/.exec(text)?.[1] ??
      /<(\w+)[^<>]* xmlns="http:\/\/hl7.org\/fhir"/.exec(text)?.[1] ??
      'Patient'
    const request = type === 'Bundle' && /"type"\s*:\s*"(?:transaction|batch)"/.test(text)
    const path = type === 'Bundle' && (request || name === 'Bundle-TypeMissing.json') ? '' : `/${type}`
    return send('POST', path, text, name.endsWith('.xml') ? 'application/fhir+xml' : undefined)
  }

  it('are accepted, or refused for a reason that stands here', async () => {
    await makePatients()
    const said = new Map<string, string[]>()
    const unsaid: string[] = []
    let accepted = 0
    for (const body of bodies()) {
      const { status, body: answer } = await post(body)
      const entries = (
        (answer['entry'] ?? []) as { response?: { status: string; outcome?: { issue: Issue[] } } }[]
      ).flatMap(({ response }) => (response !== undefined && !response.status.startsWith('2') ? [response] : []))
      const refused = [
        ...(status < 300 ? [] : [{ status: String(status), issue: (answer['issue'] ?? []) as Issue[] }]),
        ...entries.map((response) => ({ status: response.status, issue: response.outcome?.issue ?? [] })),
      ]
      if (refused.length === 0) {
        accepted++
        continue
      }
      for (const { status: code, issue } of refused) {
        const sound =
          /^4/.test(code) &&
          issue.length > 0 &&
          issue.every(({ diagnostics = '', expression = [] }) => expression.length > 0 || UNPLACED.test(diagnostics))
        if (!sound) unsaid.push(`${body.name}: ${code} ${JSON.stringify(issue).slice(0, 300)}`)
      }
      const name = body.name.replace(/:\d+$/, '')
      const reasons = refused.flatMap(({ status: code, issue }) =>
        issue.map(({ diagnostics, expression }) => `${code.slice(0, 3)} ${expression?.[0] ?? ''} ${diagnostics}`),
      )
      said.set(name, [...(said.get(name) ?? []), ...reasons])
    }
    expect(unsaid).toEqual([])
    const other = [...said].flatMap(([name, reasons]) => {
      const listed = OTHERWISE[name]
      const unlisted = reasons.filter((reason) => !listed?.test(reason))
      return unlisted.slice(0, 3).map((reason) => `${name}: ${reason.slice(0, 300)}`)
    })
    expect(other).toEqual([])
    expect(Object.keys(OTHERWISE).filter((name) => !said.has(name))).toEqual([])
    expect(accepted).toBeGreaterThan(100)
  }, 600_000)
})

/** What is no JSON or XML has no elements, but lines. */
const UNPLACED = /^Not acceptable (?:JSON|XML) \(line/

const any = (...reasons: RegExp[]): RegExp => new RegExp(reasons.map(({ source }) => source).join('|'))

/** By file, what is wrong with it: what R4's rules say of the resource, and what they and this server say of the request. */
const OTHERWISE: Readonly<Record<string, RegExp>> = {
  ...SERVER_TESTFILES,
  // "If any resource identities (including resolved identities from conditional update/delete) overlap … then the transaction SHALL fail"
  'Bundle-TransactionWithConditionalReferenceReferringToSameResource.json': /changes the same resource/,
  'SmartPatientD.json': /changes the same resource/,
  'PatientMissingResourceType.json': /^400 resourceType .* the resource must be of that type/,
  // a urn:uuid that names nothing
  'Bundle-TransactionWithForeignReferenceInResourceBody.json': /names no entry of this Bundle/,
  'ObservationWithNoCode.xml': /code is required in Observation/,
  'Includes-TestResources.json': /must be an array/,
  // "The resource SHALL contain an id element that has an identical value to the [id] in the URL"
  'SmartCompartmentResources.json': any(/relative reference/, /is required/, /needs the id that the URL has/),
  // rules of this server: bytes are somebody's whom consent can be asked of, and the ledger says what is in force
  'binary-example.json': /security context of a Binary/,
  'consent-example.json': /in force by a grant on the ledger alone/,
  // "There is no RESTful end-point associated with" Parameters
  'StatusUpdateOperationData.json': /^404 .* has no address of its own/,
}

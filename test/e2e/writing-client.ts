import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { requestToken } from '../../src/cli/access-token.js'
import { type DemoClient, demoClientFile } from '../../src/embedded/demo-clients.js'

/** A version that the gateway acknowledged. */
export interface Acknowledged {
  /** `Type/id/_history/version` */
  readonly location: string
  /** A text and a decimal that it must have. */
  readonly text: string
  readonly decimal: string
}

/** Of what was sent without an answer. */
export interface Attempted {
  readonly text: string
  readonly entries: number
}

export async function bearer(dataDirectory: string, fhir: string, client = 'ehr'): Promise<string> {
  const { id, privateKey, scopes } = JSON.parse(
    await readFile(join(dataDirectory, demoClientFile(client)), 'utf8'),
  ) as DemoClient
  return (await requestToken({ baseUrl: fhir, clientId: id, privateKey, scope: scopes })).accessToken
}

const OBSERVATIONS = 4

/**
 * Writes without a pause in several lanes until the gateway is gone: a transaction with a new patient and some
 * observations, then a new version of one of them. Notes what was acknowledged, and what was only sent.
 */
export async function writeUntilGone(
  fhir: string,
  token: string,
  acknowledged: Acknowledged[],
  attempted: Attempted[],
): Promise<void> {
  const lane = async () => {
    for (;;) {
      const [text, decimal] = [randomUUID(), `${Math.floor(Math.random() * 1000)}.50`]
      attempted.push({ text, entries: OBSERVATIONS })
      const made = await send(fhir, token, 'POST', transaction(text, decimal))
      if (made === null) return
      const { entry } = JSON.parse(made) as { entry: { response: { location: string } }[] }
      const [, ...locations] = entry.map(({ response }) => response.location)
      attempted.pop()
      for (const location of locations) acknowledged.push({ location, text, decimal })

      const [patient = '', name = ''] = entry.map(({ response }) => response.location.replace(/\/_history.*/, ''))
      const second = observation(`${text} changed`, decimal, patient)
      const body = second.replace('{', `{"id":"${name.replace(/.*\//, '')}",`)
      if ((await send(`${fhir}/${name}`, token, 'PUT', body)) === null) return
      acknowledged.push({ location: `${name}/_history/2`, text: `${text} changed`, decimal })
    }
  }
  await Promise.all(Array.from({ length: 4 }, lane))
}

/** @returns `null` when the connection broke */
async function send(url: string, token: string, method: string, body: string): Promise<string | null> {
  let response: Response
  try {
    response = await fetch(url, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json', prefer: 'return=minimal' },
      body,
    })
    const text = await response.text()
    if (response.ok) return text
  } catch {
    return null
  }
  throw new Error(`${method} ${url} was answered with ${response.status}`)
}

function transaction(text: string, decimal: string): string {
  const patient = `urn:uuid:${randomUUID()}`
  const entries = [
    `{"fullUrl":"${patient}","resource":{"resourceType":"Patient","active":true},"request":{"method":"POST","url":"Patient"}}`,
    ...Array.from(
      { length: OBSERVATIONS },
      () => `{"resource":${observation(text, decimal, patient)},"request":{"method":"POST","url":"Observation"}}`,
    ),
  ]
  return `{"resourceType":"Bundle","type":"transaction","entry":[${entries.join(',')}]}`
}

function observation(text: string, decimal: string, patient: string): string {
  return `{"resourceType":"Observation","status":"final","code":{"text":"${text}"},"subject":{"reference":"${patient}"},"valueQuantity":{"value":${decimal}}}`
}

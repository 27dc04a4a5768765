/** One request of a door; the names `hidden` and `veiled` in it are those of what the caller may not see. */
export interface Ask {
  readonly method: string
  /** Below the FHIR base; from the origin on when it begins with `origin:`. */
  readonly path: string
  readonly body?: string | object
  readonly headers?: Readonly<Record<string, string>>
  /** All pages are asked for. */
  readonly pages?: true
  /** Who may see what is hidden is answered like everybody else: there is nothing to see in this one. */
  readonly indifferent?: true
}

export const get = (path: string, headers?: Ask['headers']): Ask => ({
  method: 'GET',
  path,
  ...(headers === undefined ? {} : { headers }),
})
export const gets = (...paths: string[]): Ask[] => paths.map((path) => get(path))
export const paged = (path: string): Ask => ({ ...get(path), pages: true })
export const indifferent = (ask: Ask): Ask => ({ ...ask, indifferent: true })
export const send = (method: string, path: string, body: Ask['body'], headers?: Ask['headers']): Ask => ({
  ...get(path, headers),
  method,
  ...(body === undefined ? {} : { body }),
})
export const form = (path: string, query: string): Ask =>
  send('POST', path, query, { 'content-type': 'application/x-www-form-urlencoded' })
export const graphql = (query: string): Ask =>
  send('POST', '/$graphql', query, { 'content-type': 'application/graphql' })

/** FHIR has no empty lists. */
export const parameters = (...parameter: object[]): object => ({
  resourceType: 'Parameters',
  ...(parameter.length === 0 ? {} : { parameter }),
})

interface Entry {
  readonly method: string
  readonly url: string
  readonly resource?: object
  readonly [condition: string]: string | object | undefined
}

export function bundle(type: 'batch' | 'transaction', entries: readonly Entry[]): object {
  return {
    resourceType: 'Bundle',
    type,
    entry: entries.map(({ resource, ...request }) => ({ request, ...(resource === undefined ? {} : { resource }) })),
  }
}

/** A request about what is not there in place of what is hidden, letter for letter but for the names. */
export function insteadOf(ask: Ask, others: Readonly<Record<string, string>>): Ask {
  let written = JSON.stringify(ask)
  for (const [name, other] of Object.entries(others)) written = written.replaceAll(name, other)
  return JSON.parse(written) as Ask
}

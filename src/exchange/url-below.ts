import { ConsentryError } from '../errors.js'

/**
 * A URL below an endpoint that another party has on the ledger. Its own query or fragment would take the path that we add for a value of
 * itself, and a call of ours for another one.
 *
 * @throws ConsentryError `unavailable` for what is no endpoint
 */
export function urlBelow(endpoint: string, path: string): string {
  const url = URL.parse(endpoint)
  const plain = url !== null && /^https?:$/.test(url.protocol) && !/[?#]/.test(endpoint) && url.username === ''
  if (plain) return `${endpoint.replace(/\/+$/, '')}/${path}`
  throw new ConsentryError('unavailable', 'The endpoint of a party on the ledger is no address that can be called.', {
    retryAfterSeconds: 60,
  })
}

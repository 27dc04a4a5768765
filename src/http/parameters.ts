import { ConsentryError } from '../errors.js'

export type Parameter = readonly [name: string, value: string]

/** More than any sensible search has; each costs work. */
const MOST = 1000

/**
 * Decodes `a=b&c=d` (a query or a form), in order, repeated names kept. Stricter than the URL standard: a broken
 * percent-encoding is an error and not a literal, because a filter that is silently another one discloses records.
 */
export function parseParameters(text: string, place: Place): Parameter[] {
  if (text === '') return []
  const pairs = text.split('&').filter((pair) => pair !== '')
  if (pairs.length > MOST) throw refusal(`The ${place} has more than ${MOST} parameters.`, place)
  return pairs.map((pair, i): Parameter => {
    const at = pair.indexOf('=')
    const name = decode(at < 0 ? pair : pair.slice(0, at), `name of parameter ${i + 1} of the ${place}`, place)
    const named = /^[\w.:$-]{1,60}$/.test(name) ? name : `parameter ${i + 1}`
    return [name, at < 0 ? '' : decode(pair.slice(at + 1), `value of ${named} in the ${place}`, place)]
  })
}

type Place = 'query' | 'form'

function refusal(diagnostics: string, place: Place): ConsentryError {
  return new ConsentryError('malformed', diagnostics, { expression: [place === 'query' ? 'http.query' : 'http.body'] })
}

function decode(text: string, what: string, place: Place): string {
  let decoded: string
  try {
    decoded = decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw refusal(`The ${what} has a malformed percent-encoding.`, place)
  }
  // eslint-disable-next-line no-control-regex -- that is what is looked for
  if (/[\x00-\x08\x0b\x0c\x0e-\x1f]/.test(decoded)) throw refusal(`The ${what} has a control character.`, place)
  return decoded
}

/**
 * The path and query of a request target. The absolute form (`GET http://host/path`) counts as its path.
 */
export function splitTarget(target: string): { path: string; query: string } {
  const start = /^https?:\/\/[^/?#]*/i.exec(target)?.[0].length ?? 0
  const rest = target.slice(start)
  const hash = rest.indexOf('#')
  const relative = hash < 0 ? rest : rest.slice(0, hash)
  const at = relative.indexOf('?')
  return at < 0 ? { path: relative, query: '' } : { path: relative.slice(0, at), query: relative.slice(at + 1) }
}

/** Decoded segments below `prefix`; a slash at the end is tolerated, an empty segment elsewhere is not. */
export function pathSegments(path: string, prefix: string): string[] {
  const below = path.slice(prefix.length).replace(/\/$/, '')
  if (below === '') return []
  return below
    .slice(1)
    .split('/')
    .map((segment) => {
      try {
        return decodeURIComponent(segment)
      } catch {
        throw new ConsentryError('malformed', 'The path has a malformed percent-encoding.', {
          expression: ['http.path'],
        })
      }
    })
}

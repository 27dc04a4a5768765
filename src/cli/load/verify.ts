import { isNumber, type JsonObject, type JsonValue, numberText, parseJson } from '../../fhir/json.js'
import type { GatewayClient } from './gateway-client.js'
import type { Journal } from './journal.js'
import { readSource, type Source } from './sources.js'
import { type Unit, unitsOf, type Unusable } from './units.js'

export interface Difference {
  readonly file: string
  readonly location: string
  /** Places that differ, without their content. */
  readonly at: readonly string[]
}

/**
 * Reads `count` of the loaded resources back, chosen at random, and compares them with what was sent: everything but id,
 * meta and the targets of references, numbers digit by digit.
 */
export async function verify(
  sources: readonly Source[],
  journal: Journal,
  client: GatewayClient,
  count: number,
): Promise<{ compared: number; differences: Difference[] }> {
  const sample = choose(await loaded(sources, journal), count)
  const differences: Difference[] = []
  for (const { file, location, sent } of sample) {
    const { status, body } = await client.get(location)
    const at = status === 200 ? differencesOf(sent, parseJson(body)) : [`the gateway answered ${status}`]
    if (at.length > 0) differences.push({ file, location, at })
  }
  return { compared: sample.length, differences }
}

interface Loaded {
  readonly file: string
  readonly location: string
  readonly sent: JsonValue
}

async function loaded(sources: readonly Source[], journal: Journal): Promise<Loaded[]> {
  const found: Loaded[] = []
  for (const source of sources) {
    for (const unit of sent(unitsOf(source, await readSource(source)), journal)) {
      const state = journal.get(unit.key)
      if (state?.state !== 'done') continue
      unit.bundle.entry?.forEach(({ resource }, i) => {
        const location = state.locations[i]
        if (resource && location) found.push({ file: unit.file, location, sent: resource as JsonObject })
      })
    }
  }
  return found
}

/** As they were sent: what was refused together was sent one by one. */
function* sent(made: Iterable<Unit | Unusable>, journal: Journal): Generator<Unit> {
  for (const unit of made) {
    if ('reason' in unit) continue
    if (journal.get(unit.key)?.state === 'refused' && unit.apart !== null) yield* unit.apart()
    else yield unit
  }
}

function choose<T>(from: T[], count: number): T[] {
  for (let i = 0; i < Math.min(count, from.length); i++) {
    const j = i + Math.floor(Math.random() * (from.length - i))
    ;[from[i], from[j]] = [from[j] as T, from[i] as T]
  }
  return from.slice(0, count)
}

/** Places where two resources differ, but for id, meta and what names another resource. */
export function differencesOf(sent: JsonValue, found: JsonValue): string[] {
  return differing(without(sent), without(found), '')
}

function without(resource: JsonValue): JsonValue {
  if (typeof resource !== 'object' || resource === null || Array.isArray(resource) || isNumber(resource))
    return resource
  const { id: _id, meta: _meta, ...elements } = resource
  return elements
}

function differing(sent: JsonValue, found: JsonValue, at: string): string[] {
  if (isNumber(sent) && isNumber(found)) return numberText(sent) === numberText(found) ? [] : [at]
  if (typeof sent !== 'object' || sent === null || isNumber(sent)) {
    const renamed = typeof sent === 'string' && typeof found === 'string' && isName(sent, at)
    return sent === found || renamed ? [] : [at]
  }
  if (typeof found !== 'object' || found === null || isNumber(found)) return [at]
  if (Array.isArray(sent) || Array.isArray(found)) {
    if (!Array.isArray(sent) || !Array.isArray(found) || sent.length !== found.length) return [at]
    return sent.flatMap((item, i) => differing(item, found[i] as JsonValue, `${at}[${i}]`))
  }
  const names = new Set([...Object.keys(sent), ...Object.keys(found)])
  return [...names].flatMap((name) => {
    const place = at === '' ? name : `${at}.${name}`
    const [a, b] = [sent[name], found[name]]
    return a === undefined || b === undefined ? [place] : differing(a, b, place)
  })
}

/** The server gives entries ids of its own, and what named them by their URN names them by those. */
function isName(text: string, at: string): boolean {
  return at.endsWith('.reference') || text.startsWith('urn:uuid:')
}

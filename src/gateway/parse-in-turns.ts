import { type JsonObject, type JsonValue, parseJson } from '../fhir/json.js'
import type { JsonPlan, Span } from './json-plan.js'

/** Milliseconds of a turn, after which others have theirs. */
const TURN_MS = 2

/**
 * The value of a JSON text that `parseJson` has accepted, made of its pieces: what it gives, with pauses.
 *
 * @param pause awaited every few milliseconds
 */
export async function parseInTurns(
  text: Uint8Array,
  plan: JsonPlan,
  pause: () => Promise<unknown>,
): Promise<JsonValue> {
  let begun = performance.now()
  const piece = async (bytes: Uint8Array): Promise<JsonValue> => {
    const value = parseJson(bytes)
    if (performance.now() - begun > TURN_MS) {
      await pause()
      begun = performance.now()
    }
    return value
  }
  const at = ([from, to]: Span): Uint8Array => text.subarray(from, to)
  const make = async (of: JsonPlan): Promise<JsonValue> => {
    if ('value' in of) return piece(at(of.value))
    // One piece comes after the other: together they would be one turn.
    if ('list' in of) {
      const list: JsonValue[] = []
      for (const each of of.list) {
        if ('run' in each) for (const item of (await piece(inBrackets(at(each.run)))) as JsonValue[]) list.push(item)
        else list.push(await make(each))
      }
      return list
    }
    const object: JsonObject = {}
    for (const [key, each] of of.object) object[key] = await make(each)
    return object
  }
  return make(plan)
}

const inBrackets = (run: Uint8Array): Uint8Array => Buffer.concat([Buffer.from('['), run, Buffer.from(']')])

import { isNumeric } from '../definitions/elements.js'
import { type JsonObject, type JsonValue, numberFrom } from '../json.js'

/** What cannot be read stays as it is: `validate` says what would be right. */
export function valueOf(type: string, value: string): JsonValue {
  if (type === 'boolean') return value === 'true' ? true : value === 'false' ? false : value
  if (!isNumeric(type)) return value
  try {
    return numberFrom(value)
  } catch {
    return value
  }
}

/** Leaves out what says nothing: empty companions, and arrays of them; nulls stand only where the other has something. */
export function tidy(object: JsonObject): void {
  for (const [name, shadow] of Object.entries(object)) {
    if (!name.startsWith('_')) continue
    if (!Array.isArray(shadow)) {
      if (Object.keys(shadow as JsonObject).length === 0) delete object[name]
      continue
    }
    const kept = shadow.map((beside) => (Object.keys(beside as JsonObject).length === 0 ? null : beside))
    if (kept.every((beside) => beside === null)) delete object[name]
    else object[name] = kept
    const values = object[name.slice(1)]
    if (Array.isArray(values) && values.every((value) => value === null)) delete object[name.slice(1)]
  }
}

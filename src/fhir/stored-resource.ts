import { parseJson } from './json.js'
import type { ValidResource } from './types.js'

/** @param body as it was stored; it was found valid before that, so its shape is not looked at again */
export function storedResource(body: Uint8Array): ValidResource {
  // The docstring is the reason: validation made it a ValidResource before it was stored.
  return parseJson(body) as unknown as ValidResource
}

import { setImmediate } from 'node:timers/promises'
import { ConsentryError, type Issue } from '../errors.js'
import type { Intent } from './intent.js'
import type { GatewayParts } from './parts.js'

/** How long the judgement of many resources keeps the event loop before others have their turn. */
const TURN_MS = 5

/**
 * What is written conforms to the profiles that it claims and to those that are configured: whoever reads the claim would
 * believe it.
 *
 * @throws ConsentryError `invalid` with every issue of every intent, each at its place in the request
 */
export async function requireConformance(parts: GatewayParts, intents: readonly Intent[]): Promise<void> {
  const judged: Promise<Issue[]>[] = []
  let turn = performance.now()
  for (const intent of intents) {
    if (intent.kind === 'delete') continue
    const issues = parts.conformance.judge(intent.resource).then((found) => found.map((issue) => placed(issue, intent)))
    // what it throws is thrown below, after the turns of the others
    issues.catch(() => undefined)
    judged.push(issues)
    if (performance.now() - turn < TURN_MS) continue
    await setImmediate()
    turn = performance.now()
  }
  const issues = (await Promise.all(judged)).flat()
  if (issues.length === 0) return
  throw new ConsentryError(
    'invalid',
    'A resource is not what the profiles say that it claims or that this server demands.',
    {
      issues,
    },
  )
}

function placed(issue: Issue, { at, type }: Intent): Issue {
  const expression = issue.expression?.map((place) => `${at}${place.slice(type.length)}`)
  return expression === undefined ? issue : { ...issue, expression }
}

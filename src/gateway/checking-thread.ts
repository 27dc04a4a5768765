import { parentPort } from 'node:worker_threads'
import { ConsentryError } from '../errors.js'
import { parseJson } from '../fhir/json.js'
import { withLocalReferences } from '../fhir/references.js'
import type { Resource } from '../fhir/types.js'
import { validOrThrow } from '../fhir/validate.js'
import { checkBundle } from './body-check.js'

export interface CheckingJob {
  readonly body: Uint8Array
  /** FHIR base: references below it are those of this server; `null`: the body is a Bundle. */
  readonly base: string | null
}

/** A ConsentryError, which does not survive a structured clone. */
export type ToldFault = Pick<ConsentryError, 'kind' | 'message' | 'issues'>

export type CheckingAnswer =
  { readonly refused: readonly (readonly [entry: number, fault: ToldFault])[] } | { readonly fault: ToldFault }

parentPort?.on('message', (job: CheckingJob) => {
  void answer(job).then((told) => parentPort?.postMessage(told))
})

async function answer({ body, base }: CheckingJob): Promise<CheckingAnswer> {
  try {
    const value = parseJson(body)
    if (base === null) {
      const { refused } = await checkBundle(value, () => Promise.resolve())
      return { refused: Array.from(refused, ([entry, fault]) => [entry, told(fault)] as const) }
    }
    validOrThrow(isObject(value) ? withLocalReferences(value as unknown as Resource, base) : value)
    return { refused: [] }
  } catch (error) {
    if (error instanceof ConsentryError) return { fault: told(error) }
    throw error
  }
}

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value)

const told = ({ kind, message, issues }: ConsentryError): ToldFault => ({ kind, message, issues })

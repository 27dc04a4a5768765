import { parentPort } from 'node:worker_threads'
import { ConsentryError, type Issue } from '../errors.js'
import { parseJson } from '../fhir/json.js'
import { isResource } from '../fhir/is-resource.js'
import { withLocalReferences } from '../fhir/references.js'
import { validate, validOrThrow } from '../fhir/validate.js'
import { fhirXml } from '../fhir/xml.js'
import { checkBundle } from './body-check.js'
import { type JsonPlan, planOf } from './json-plan.js'

export interface CheckingJob {
  readonly body: Uint8Array
  /** `issues`: all that is wrong, warnings too, which refuses nothing. */
  readonly what: 'resource' | 'bundle' | 'issues' | 'xml'
  /** FHIR base: references below it are those of this server; absent: they have been made so. */
  readonly base?: string
}

/** A ConsentryError, which does not survive a structured clone. */
export type ToldFault = Pick<ConsentryError, 'kind' | 'message' | 'issues'>

export type CheckingAnswer =
  | {
      readonly refused: readonly (readonly [entry: number, fault: ToldFault])[]
      readonly issues: readonly Issue[]
      /** How the body is parsed where it is needed. */
      readonly plan: JsonPlan
    }
  /** Of a body that is XML. */
  | { readonly json: Uint8Array }
  | { readonly fault: ToldFault }

parentPort?.on('message', (job: CheckingJob) => {
  void answer(job).then((told) => parentPort?.postMessage(told))
})

async function answer({ body, what, base }: CheckingJob): Promise<CheckingAnswer> {
  try {
    if (what === 'xml') return { json: new Uint8Array(fhirXml.toJson(body)) }
    const value = parseJson(body)
    const plan = planOf(body)
    if (what === 'issues') return { refused: [], issues: validate(value, { warnings: true }).issues, plan }
    if (what === 'bundle') {
      const { refused } = await checkBundle(value, () => Promise.resolve())
      return { refused: Array.from(refused, ([entry, fault]) => [entry, told(fault)] as const), issues: [], plan }
    }
    validOrThrow(base !== undefined && isResource(value) ? withLocalReferences(value, base) : value)
    return { refused: [], issues: [], plan }
  } catch (error) {
    if (error instanceof ConsentryError) return { fault: told(error) }
    throw error
  }
}

const told = ({ kind, message, issues }: ConsentryError): ToldFault => ({ kind, message, issues })

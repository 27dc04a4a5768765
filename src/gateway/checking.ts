import { ConsentryError, type Issue } from '../errors.js'
import type { CheckingAnswer, CheckingJob, ToldFault } from './checking-thread.js'
import type { JsonPlan } from './json-plan.js'
import { ThreadTurns, type TurnLimits } from './thread-turns.js'

/** From this size on a body is checked in the thread: a Questionnaire of as many bytes may take 10 ms. */
export const LARGE_BODY = 64 * 1024

const LIMITS: TurnLimits = { timeoutMs: 30_000, waiting: 64 }

/** Checks large bodies against R4 in a thread of its own, so that what they cost holds up nobody. */
export class CheckingThread {
  readonly #turns: ThreadTurns<CheckingJob, CheckingAnswer>

  /** @param script the compiled checking-thread.js */
  constructor(limits = LIMITS, script = new URL('./checking-thread.js', import.meta.url)) {
    this.#turns = new ThreadTurns(script, null, limits)
  }

  /**
   * @returns how the body is parsed in turns
   * @param base of FHIR, if references below it are to be taken for those of this server first
   * @throws ConsentryError `malformed` with all issues, and as `ThreadTurns.run`
   */
  async resource(body: Uint8Array, base?: string): Promise<JsonPlan> {
    return (await this.#run(body, 'resource', base)).plan
  }

  /** @returns entries of a batch whose resources are not valid. @throws ConsentryError as `resource` */
  async bundle(body: Uint8Array): Promise<{ readonly refused: Map<number, ConsentryError>; readonly plan: JsonPlan }> {
    const { refused, plan } = await this.#run(body, 'bundle')
    return { refused: new Map(refused.map(([entry, fault]) => [entry, errorOf(fault)])), plan }
  }

  /** All that is wrong, and what is only warned of. @throws ConsentryError as `ThreadTurns.run` */
  async issues(body: Uint8Array): Promise<readonly Issue[]> {
    return (await this.#run(body, 'issues')).issues
  }

  /** FHIR XML as FHIR JSON. @throws ConsentryError `malformed`, and as `ThreadTurns.run` */
  async json(xml: Uint8Array): Promise<Uint8Array> {
    const answer = await this.#ask(xml, 'xml')
    if ('json' in answer) return answer.json
    throw new ConsentryError('internal', 'The thread answered another question.')
  }

  close(): Promise<void> {
    return this.#turns.close()
  }

  async #run(body: Uint8Array, what: Exclude<CheckingJob['what'], 'xml'>, base?: string) {
    const answer = await this.#ask(body, what, base)
    if ('refused' in answer) return answer
    throw new ConsentryError('internal', 'The thread answered another question.')
  }

  async #ask(body: Uint8Array, what: CheckingJob['what'], base?: string) {
    const answer = await this.#turns.run(() => {
      // The buffer may be one of many bodies, and is read here as well.
      const own = new Uint8Array(body)
      return { job: { body: own, what, ...(base === undefined ? {} : { base }) }, transfer: [own.buffer] }
    })
    if ('fault' in answer) throw errorOf(answer.fault)
    return answer
  }
}

const errorOf = ({ kind, message, issues }: ToldFault): ConsentryError =>
  new ConsentryError(kind, message, { issues: [...issues] })

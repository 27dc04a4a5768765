import { stringify } from '../fhir/json.js'
import type { JudgeOptions, Verdict } from '../fhir/profiles.js'
import type { ValidResource } from '../fhir/types.js'
import type { ThreadData, ThreadJob } from './judging-thread.js'
import { ThreadTurns, type TurnLimits } from './thread-turns.js'

const LIMITS: TurnLimits = { timeoutMs: 30_000, waiting: 64 }

/** Judges by profiles in a thread of its own what would hold up everybody else. */
export class JudgingThread {
  private readonly turns: ThreadTurns<ThreadJob, Verdict>

  /** @param script the compiled judging-thread.js */
  constructor(data: ThreadData, limits = LIMITS, script = new URL('./judging-thread.js', import.meta.url)) {
    this.turns = new ThreadTurns(script, data, limits)
  }

  /** @throws ConsentryError as `ThreadTurns.run` */
  judge(resource: ValidResource, options: JudgeOptions): Promise<Verdict> {
    return this.turns.run(() => ({ job: { text: stringify(resource), options } }))
  }

  close(): Promise<void> {
    return this.turns.close()
  }
}

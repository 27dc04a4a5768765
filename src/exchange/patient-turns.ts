import type { PatientId } from '../consent/permit.js'

/**
 * One at a time for each patient: what an import decides and then writes, and what a purge takes away. In between nothing
 * of the other can happen, so an import that decided before a revocation has written before the purge looks. Hold a turn
 * for work on our own stores only: a purge must never wait for somebody else's server. Within this process.
 */
export class PatientTurns {
  readonly #last = new Map<PatientId, Promise<unknown>>()

  async take<T>(patient: PatientId, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(patient)
    const turn = (before ?? Promise.resolve()).then(work)
    const over = turn.catch(() => undefined)
    this.#last.set(patient, over)
    try {
      return await turn
    } finally {
      if (this.#last.get(patient) === over) this.#last.delete(patient)
    }
  }
}

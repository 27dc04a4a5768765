import type { Occurrence } from '../audit/occurrence.js'
import type { PatientId } from '../consent/permit.js'
import { Opened } from './opened.js'

/**
 * What an interaction learns about its subject while it runs, so that its audit record names patient and
 * resource even when it ends in a denial or a failure.
 */
export class Trail {
  readonly #patients = new Map<PatientId, string>()
  readonly #data = new Map<string, TouchedData>()
  readonly opened = new Opened()
  /** The raw query of a search. */
  query: string | undefined
  /** The document that authorises the wallet service to sign for a patient in custody. */
  authorisedBy: { readonly reference: string; readonly version: number } | null = null

  /** @param reference `Patient/id` of this server */
  concerns(patient: PatientId, reference: string): void {
    this.#patients.set(patient, reference)
  }

  /** @param patient whose compartment it is in; absent where that is not known */
  touches(reference: string, version?: number, patient?: PatientId | null): void {
    const key = version === undefined ? reference : `${reference}/_history/${version}`
    this.#data.set(key, {
      reference,
      ...(version === undefined ? {} : { version }),
      ...(patient === undefined ? {} : { patient }),
    })
  }

  /** What an audit record says of all this. */
  get told(): Pick<Occurrence, 'patients' | 'data' | 'authorisation'> {
    const { patients, data, authorisedBy } = this
    return { patients, data, ...(authorisedBy === null ? {} : { authorisation: authorisedBy }) }
  }

  get patients(): { id: PatientId; reference: string }[] {
    return Array.from(this.#patients, ([id, reference]) => ({ id, reference }))
  }

  get data(): TouchedData[] {
    return [...this.#data.values()]
  }
}

type TouchedData = Occurrence['data'][number]

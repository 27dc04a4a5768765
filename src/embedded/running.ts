/** In the data directory while a gateway runs on it: where the command line finds it. */
export const RUNNING_FILE = 'running.json'

export interface RunningGateway {
  /** FHIR base as reached from this machine. */
  readonly fhirUrl: string
  readonly pid: number
}

import { parentPort, workerData } from 'node:worker_threads'
import { parseJson } from '../fhir/json.js'
import { readPackages } from '../fhir/packages.js'
import { type JudgeOptions, ownDefinitions, Profiles, type ProfilesOptions, type Verdict } from '../fhir/profiles.js'
import { validOrThrow } from '../fhir/validate.js'

/** What the thread is started with. */
export interface ThreadData {
  readonly packages: string | null
  readonly options: ProfilesOptions
}

/** A resource as JSON text, because exact numbers do not survive a structured clone. */
export interface ThreadJob {
  readonly text: string
  readonly options: JudgeOptions
}

const { packages, options } = workerData as ThreadData
const profiles = new Profiles([...ownDefinitions(), ...(packages === null ? [] : readPackages(packages))], options)

parentPort?.on('message', (job: ThreadJob) => {
  const verdict: Verdict = profiles.verdict(validOrThrow(parseJson(job.text)), job.options)
  parentPort?.postMessage(verdict)
})

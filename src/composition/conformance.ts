import type { Config } from '../config.js'
import { readPackages } from '../fhir/packages.js'
import { ownDefinitions, Profiles } from '../fhir/profiles.js'
import { Conformance } from '../gateway/conformance.js'
import { JudgingThread } from '../gateway/judging.js'
import { RemoteTerminology } from '../gateway/remote-terminology.js'

/** Our profiles and those of the configured packages; packages that cannot be read stop the start. */
export function composeConformance(
  { conformance }: Config,
  clock: () => number,
  onProblem: (error: unknown) => void,
): { readonly conformance: Conformance; readonly thread: JudgingThread } {
  const { packages, profiles, unknownProfiles, terminologyUrl, terminologyTimeoutMs } = conformance
  const resources = [...ownDefinitions(), ...(packages === null ? [] : readPackages(packages))]
  const server =
    terminologyUrl === null
      ? null
      : new RemoteTerminology({ url: terminologyUrl, timeoutMs: terminologyTimeoutMs, clock, onProblem })
  const options = { unknownProfiles, always: profiles }
  const thread = new JudgingThread({ packages, options })
  return { conformance: new Conformance(new Profiles(resources, options), server, thread), thread }
}

import type { Config } from '../config.js'
import { readPackages } from '../fhir/packages.js'
import { ownDefinitions, Profiles } from '../fhir/profiles.js'
import { Conformance } from '../gateway/conformance.js'
import { RemoteTerminology } from '../gateway/remote-terminology.js'

/** Our profiles and those of the configured packages; packages that cannot be read stop the start. */
export function composeConformance(
  { conformance }: Config,
  clock: () => number,
  onProblem: (error: unknown) => void,
): Conformance {
  const { packages, profiles, unknownProfiles, terminologyUrl, terminologyTimeoutMs } = conformance
  const resources = [...ownDefinitions(), ...(packages === null ? [] : readPackages(packages))]
  const server =
    terminologyUrl === null
      ? null
      : new RemoteTerminology({ url: terminologyUrl, timeoutMs: terminologyTimeoutMs, clock, onProblem })
  return new Conformance(new Profiles(resources, { unknownProfiles, always: profiles }), server)
}

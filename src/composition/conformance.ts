import { requireLabelCode } from '../consent/labels.js'
import { ConsentryError } from '../errors.js'
import { PackageError } from '../fhir/package-archive.js'
import { readPackages } from '../fhir/packages.js'
import { ownDefinitions, Profiles, type ProfilesOptions } from '../fhir/profiles.js'
import { Sensitivity } from '../fhir/sensitivity.js'
import type { Resource } from '../fhir/types.js'
import { CheckingThread } from '../gateway/checking.js'
import { Conformance } from '../gateway/conformance.js'
import { JudgingThread } from '../gateway/judging.js'
import { RemoteTerminology } from '../gateway/remote-terminology.js'
import type { Site } from './site.js'

/** What fhir-profiles/ and the configured packages define; packages that cannot be read stop the start. */
export function readDefinitions({ config }: Site): Resource[] {
  const { packages } = config.conformance
  return [...ownDefinitions(), ...(packages === null ? [] : configured(packages))]
}

function configured(packages: string): Resource[] {
  try {
    return readPackages(packages)
  } catch (error) {
    if (!(error instanceof PackageError)) throw error
    throw new ConsentryError('invalid', `FHIR_PACKAGES is not usable: ${error.message}`, { cause: error })
  }
}

/** Value sets whose codes make records sensitive; one that implies no label that could be granted stops the start. */
export function readSensitivity(definitions: readonly Resource[]): Sensitivity {
  const sensitivity = new Sensitivity(definitions)
  for (const label of sensitivity.labels) requireLabelCode(label, 'ValueSet.extension')
  return sensitivity
}

/** Our profiles and those of the configured packages. */
export function composeConformance(site: Site, definitions: readonly Resource[]): Conformance {
  const { packages, profiles, unknownProfiles, terminologyUrl, terminologyTimeoutMs } = site.config.conformance
  const onProblem = site.standingProblem('the terminology server has a problem')
  const server =
    terminologyUrl === null
      ? null
      : new RemoteTerminology({ url: terminologyUrl, timeoutMs: terminologyTimeoutMs, clock: site.clock, onProblem })
  const options = { unknownProfiles, always: profiles }
  const judge = knowing(definitions, options)
  const thread = new JudgingThread({ packages, options })
  site.closes('judging', () => thread.close())
  const checking = new CheckingThread()
  site.closes('checking', () => checking.close())
  const own = new Set(ownDefinitions())
  const loaded = definitions.filter((each) => !own.has(each))
  return new Conformance(judge, server, thread, checking, loaded)
}

function knowing(definitions: readonly Resource[], options: ProfilesOptions): Profiles {
  try {
    return new Profiles(definitions, options)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    const text = `FHIR_PROFILES is not usable: ${error.message} Expected canonicals of R4, or of what FHIR_PACKAGES has.`
    throw new ConsentryError('invalid', text, { cause: error })
  }
}

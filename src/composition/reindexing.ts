import { compileParameters, indexForms, useFullText, useParameters } from '../fhir/search-parameters.js'
import type { LoadedParameters } from '../fhir/search-parameters.js'
import type { Resource } from '../fhir/types.js'
import { Reindexing } from '../gateway/reindexing.js'
import { indexForm, isLean } from '../records/index-writer.js'
import { Reindex } from '../records/reindex.js'
import type { Audit } from './audit.js'
import type { Ledger } from './ledger.js'
import type { Records } from './records.js'
import type { Site } from './site.js'
import type { Storage } from './storage.js'
import type { Vault } from './vault.js'

/** Search parameters beyond R4's: new records are indexed by them from now on, searches wait until old ones are. */
export function loadParameters(site: Site, definitions: readonly Resource[]): LoadedParameters {
  const { loaded, refused } = compileParameters(definitions)
  for (const { url, reason } of refused) {
    site.onFault('a search parameter of a package is not served', new Error(`${url}: ${reason}`))
  }
  useParameters(loaded, { pending: true })
  useFullText(site.config.fullTextIndex, { pending: true })
  return loaded
}

/** Who indexes records from before by what is indexed now. */
export async function composeReindexing(
  site: Site,
  { keys }: Storage,
  { database, index, records }: Records,
  { access }: Ledger,
  { bodies, patients }: Vault,
  { trail }: Audit,
  loaded: LoadedParameters,
): Promise<Reindexing> {
  const { clock, config } = site
  const reindex = new Reindex(database, index)
  const wanted = indexForms(indexForm)
  // nothing of these has changed since there are any
  const unknown = Object.fromEntries(Object.entries(wanted).filter(([type]) => isLean(type)))
  const unfinished = await reindex.begin(wanted, unknown)
  const ready = () => {
    useParameters(loaded, { pending: false })
    useFullText(config.fullTextIndex, { pending: false })
  }
  if (!unfinished) ready()
  const parts = {
    entity: keys.id,
    clock,
    access,
    bodies,
    index,
    records,
    reindex,
    audit: trail,
    patients,
    onProblem: site.standingProblem('indexing older records has a problem and tries again'),
  }
  return new Reindexing(parts, unfinished, ready)
}

/**
 * Batches and transactions as pure data (https://hl7.org/fhir/R4/http.html#transaction), and the Bundles that answers come in:
 * `planBundle` reads one, the caller looks up what `lookups` asks, `resolveBundle` says what to do, and a writer
 * puts the results together without parsing resources again.
 */
export type { ResolvedEntry } from './bundle/entry.js'
export {
  type BundlePlan,
  type EntryPlan,
  type Lookup,
  MAX_ENTRIES,
  planBundle,
  type PlanOptions,
  RANK,
} from './bundle/plan.js'
export { type EntryInteraction, type EntryRequest, parseEntryRequest, parseQuery } from './bundle/request-url.js'
export { resolveBundle, type ResolvedBundle, type ResolveOptions } from './bundle/resolve.js'
export {
  type EntryResult,
  historyBundle,
  type HistoryEntry,
  type Page,
  responseBundle,
  searchsetBundle,
  type SearchsetEntry,
} from './bundle/write.js'

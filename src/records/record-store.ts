import { AsIf } from './as-if.js'
import type { BlindIndex } from './blind-index.js'
import { CommitQueue } from './commit-queue.js'
import { CommonTokens } from './common-tokens.js'
import type { Database, Sql } from './database.js'
import { compartment, type CompartmentPage, type CompartmentQuery } from './compartment.js'
import { history, type History, type HistoryQuery } from './history.js'
import { include, type Included } from './include.js'
import { type Criteria, match, type Matches } from './match.js'
import { namesSeen, type NamesSeenQuery, type SeenName } from './names-seen.js'
import { type Placed, positions, type PositionsQuery } from './positions.js'
import { purge, type Purge, type Purged } from './purge.js'
import { read, readVersion, resolve } from './read.js'
import { RowKeys } from './row-keys.js'
import { search, type SearchResult } from './search.js'
import type { IncludeQuery, SearchQuery } from './search-query.js'
import { TokenNames } from './token-names.js'
import type { Change, Committed, NewVersion, Ref, ResourceRow, RowFilter, StoredVersion, VersionRef } from './types.js'

export interface RecordStoreOptions {
  /** Commit transactions at a time; the figures behind the default stand in README. */
  readonly lanes?: number
}

/** Versions, their index, and what hangs on their commit. Knows rows only: bodies come sealed, conditions come as SQL. */
export class RecordStore {
  readonly #commits: CommitQueue
  readonly #asIf = new AsIf()
  readonly #common: CommonTokens
  readonly #names: TokenNames

  constructor(
    private readonly database: Database,
    private readonly index: BlindIndex,
    { lanes = Math.min(2, database.sessions) }: RecordStoreOptions = {},
  ) {
    this.#common = new CommonTokens(database)
    this.#names = new TokenNames(database, index)
    this.#commits = new CommitQueue(database, new RowKeys(database), lanes)
  }

  /**
   * All or nothing, and durable when it resolves. Conflicts are data. A change has one version of a resource and one use
   * of a claim at most.
   */
  async commit(change: Change): Promise<Committed> {
    await this.#names.keep((change.versions ?? []).map((each) => each.index))
    return this.#commits.commit(change)
  }

  /** Current versions in the order asked for, deleted ones too; `null`: never was. */
  async read(refs: readonly Ref[]): Promise<(StoredVersion | null)[]> {
    return this.#asIf.current(refs, await read(this.database, refs))
  }

  async readVersion(refs: readonly VersionRef[]): Promise<(StoredVersion | null)[]> {
    return this.#asIf.versions(refs, await readVersion(this.database, refs))
  }

  /** To `work`, `read` and `readVersion` give these versions as if they were committed; searches and histories do not. */
  asIf<T>(versions: readonly NewVersion[], work: () => Promise<T>): Promise<T> {
    return this.#asIf.run(versions, work)
  }

  /** What decides about current versions, without their bodies. */
  resolve(refs: readonly Ref[]): Promise<(ResourceRow | null)[]> {
    return resolve(this.database, refs)
  }

  history(query: HistoryQuery, filter: RowFilter): Promise<History> {
    return history(this.database, this.index, query, filter)
  }

  /** What is in the compartment of a patient, and what it refers to. */
  compartment(query: CompartmentQuery, filter: RowFilter): Promise<CompartmentPage> {
    return compartment(this.database, this.index, query, filter)
  }

  search(query: SearchQuery, filter: RowFilter): Promise<SearchResult> {
    // Without statistics every search finds its rows by the index alone; they are asked for again later.
    void this.#common.refresh().catch(() => undefined)
    return search(this.database, this.index, query, filter, this.#common)
  }

  /** What rows refer to and what refers to them. */
  include(query: IncludeQuery, filter: RowFilter): Promise<Included> {
    return include(this.database, this.index, query, filter)
  }

  /** For conditional references and interactions. */
  match(criteria: readonly Criteria[], filter: RowFilter): Promise<Matches> {
    return match(this.database, this.index, criteria, filter)
  }

  /** Where permitted resources are, for who measures. */
  positions(query: PositionsQuery, filter: RowFilter): Promise<Placed[]> {
    return positions(this.database, this.index, query, filter)
  }

  /** What some parameters find in permitted resources. */
  namesSeen(parameters: readonly NamesSeenQuery[], most: number, filter: RowFilter): Promise<SeenName[]> {
    return namesSeen(this.database, this.index, parameters, most, filter)
  }

  /** Forgets imported records of a patient; never what was written here. */
  purge(what: Purge): Promise<Purged> {
    return purge(this.database, what)
  }

  transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.database.transaction(work)
  }
}

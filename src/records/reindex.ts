import { int4Array, int8Array } from './array-parameter.js'
import type { BlindIndex } from './blind-index.js'
import type { Database, Sql } from './database.js'
import { careColumns, Facets } from './fact-rows.js'
import { IndexRows } from './index-rows.js'
import { type SqlVersion, storedVersion, VERSION_COLUMNS } from './stored-version.js'
import { TokenNames } from './token-names.js'
import type { IndexEntries, RowFacts, StoredVersion } from './types.js'

/** By type, a text that is another one when records of the type are indexed by something else. */
export type IndexForms = Readonly<Record<string, string>>

/** A current version that is to be indexed anew. */
export interface Outdated {
  readonly pk: bigint
  readonly version: StoredVersion
}

interface State {
  readonly forms: IndexForms
  readonly target: IndexForms
  readonly upto: bigint
  readonly until: bigint
}

/** What a version of a resource says to the index, worked out anew. */
export interface Reindexed {
  readonly pk: bigint
  /** Which was opened. */
  readonly version: number
  readonly index: IndexEntries
  readonly facts?: RowFacts
  /** uint64; absent: they stay as they are. */
  readonly categories?: bigint
}

/**
 * Indexes rows anew that were written when something else was indexed: in the order of their keys, a batch at a time, each with how far it has come in
 * one transaction, so it goes on where it was stopped. Rows that are written meanwhile have the new form anyway.
 */
export class Reindex {
  readonly #names: TokenNames

  constructor(
    private readonly database: Database,
    index: BlindIndex,
  ) {
    this.#names = new TokenNames(database, index)
  }

  /**
   * Begins, or goes on with, an indexing anew. @param unknown form of the rows of a type of which none is kept
   *
   * @returns whether anything is left to be done
   */
  begin(wanted: IndexForms, unknown: IndexForms): Promise<boolean> {
    return this.database.transaction(async (sql) => {
      const state = await stateOf(sql, 'FOR UPDATE')
      if (state !== undefined && same(state.target, wanted)) return state.upto < state.until
      const { rows } = await sql.query<{ until: bigint | null }>('SELECT max(pk) AS until FROM resource')
      const until = rows[0]?.until ?? 0n
      const forms = state === undefined ? unknown : certain(state)
      const upto = until === 0n || same(forms, wanted) ? until : 0n
      await sql.query(
        `INSERT INTO index_state (pk, forms, target, upto, until) VALUES (1, $1, $2, $3, $4)
         ON CONFLICT (pk) DO UPDATE SET forms = excluded.forms, target = excluded.target, upto = excluded.upto, until = excluded.until`,
        [JSON.stringify(upto === until ? wanted : forms), JSON.stringify(wanted), upto, until],
      )
      return upto < until
    })
  }

  /** The next rows whose type has another form, and where they end; `undefined`: all are done. */
  async next(
    count: number,
  ): Promise<{ readonly rows: Outdated[]; readonly from: bigint; readonly upto: bigint } | undefined> {
    const state = await stateOf(this.database)
    if (state === undefined || state.upto >= state.until) return undefined
    const types = Object.keys(state.target).filter((type) => state.forms[type] !== state.target[type])
    const { rows } = await this.database.query<SqlVersion>(
      `SELECT ${VERSION_COLUMNS} FROM resource r JOIN resource_version v ON v.resource_pk = r.pk AND v.version = r.version
       WHERE r.pk > $1 AND r.pk <= $2 AND r.type = ANY ($3::text[]) AND NOT r.deleted ORDER BY r.pk LIMIT $4`,
      [state.upto, state.until, types, count],
    )
    const last = rows.length < count ? state.until : (rows.at(-1)?.pk ?? state.until)
    return { rows: rows.map(outdated), from: state.upto, upto: last }
  }

  /** Rows that could not be opened before. */
  async waiting(count: number, after: bigint): Promise<Outdated[]> {
    const { rows } = await this.database.query<SqlVersion>(
      `SELECT ${VERSION_COLUMNS} FROM index_waiting w JOIN resource r ON r.pk = w.resource_pk
       JOIN resource_version v ON v.resource_pk = r.pk AND v.version = r.version
       WHERE w.resource_pk > $1 AND NOT r.deleted ORDER BY r.pk LIMIT $2`,
      [after, count],
    )
    return rows.map(outdated)
  }

  /**
   * Writes the entries of rows that are still at the version they were read at; `waiting` could not be opened. Nothing is written if another process has
   * gone on from `from` meanwhile.
   */
  async replace(
    entries: readonly Reindexed[],
    waiting: readonly bigint[],
    progress?: { readonly from: bigint; readonly upto: bigint },
  ): Promise<void> {
    await this.#names.keep(entries.map(({ index }) => index))
    await this.database.transaction(async (sql) => {
      if (progress !== undefined && !(await advance(sql, progress))) return
      const { rows: locked } = await sql.query<{ pk: bigint }>(
        `SELECT r.pk FROM resource r JOIN unnest($1::bigint[], $2::int[]) AS i(pk, version) ON r.pk = i.pk AND r.version = i.version
         ORDER BY r.pk FOR UPDATE OF r`,
        [int8Array(entries.map(({ pk }) => pk)), int4Array(entries.map(({ version }) => version))],
      )
      const kept = new Set(locked.map(({ pk }) => pk))
      await write(
        sql,
        entries.filter(({ pk }) => kept.has(pk)),
      )
      await sql.query('DELETE FROM index_waiting WHERE resource_pk = ANY ($1::bigint[])', [
        int8Array(entries.map(({ pk }) => pk)),
      ])
      await sql.query('INSERT INTO index_waiting SELECT unnest($1::bigint[]) ON CONFLICT DO NOTHING', [
        int8Array(waiting),
      ])
    })
  }
}

const outdated = (row: SqlVersion): Outdated => ({ pk: row.pk, version: storedVersion(row) })

async function stateOf(sql: Pick<Sql, 'query'>, lock: '' | 'FOR UPDATE' = ''): Promise<State | undefined> {
  const { rows } = await sql.query<State>(`SELECT forms, target, upto, until FROM index_state WHERE pk = 1 ${lock}`)
  return rows[0]
}

/** Of a type that was on the way to another form, some rows have the one and some the other. */
function certain({ forms, target, upto, until }: State): IndexForms {
  if (upto >= until) return forms
  return Object.fromEntries(Object.entries(forms).filter(([type, form]) => target[type] === form))
}

/** The last step makes the forms that are worked for those that are there. */
async function advance(sql: Sql, { from, upto }: { readonly from: bigint; readonly upto: bigint }): Promise<boolean> {
  const { rowCount } = await sql.query(
    `UPDATE index_state SET upto = $2, forms = CASE WHEN $2 >= until THEN target ELSE forms END WHERE pk = 1 AND upto = $1`,
    [from, upto],
  )
  return rowCount === 1
}

/** `xid` stays, for nothing of the records themselves has changed: pages that are open go on. */
async function write(sql: Sql, entries: readonly Reindexed[]): Promise<void> {
  if (entries.length === 0) return
  const rows = new IndexRows()
  const facets = new Facets()
  for (const { pk, index, facts } of entries) {
    rows.add(pk, index)
    facets.add(facts)
  }
  const keys = int8Array(entries.map(({ pk }) => pk))
  await sql.query(
    `UPDATE resource r SET tokens = ($4::bigint[])[i.token_from:i.token_to]
     FROM unnest($1::bigint[], $2::int[], $3::int[]) AS i(pk, token_from, token_to) WHERE r.pk = i.pk`,
    [keys, ...rows.tokenPlaces, rows.tokens],
  )
  // The version that was opened, and the resource whose current one it is.
  await sql.query(
    `WITH facts AS (
       SELECT pk, version, CASE WHEN facet_from IS NOT NULL THEN ($3::bigint[])[facet_from:facet_to] END AS facets, care_lo, care_hi, categories
       FROM unnest($1::bigint[], $2::int[], $4::int[], $5::int[], $6::bytea[], $7::bytea[], $8::bigint[])
         AS i(pk, version, facet_from, facet_to, care_lo, care_hi, categories)
     ), versions AS (
       UPDATE resource_version v SET facets = f.facets, care_lo = f.care_lo, care_hi = f.care_hi,
         categories = coalesce(f.categories, v.categories)
       FROM facts f WHERE v.resource_pk = f.pk AND v.version = f.version
     )
     UPDATE resource r SET facets = f.facets, care_lo = f.care_lo, care_hi = f.care_hi,
       categories = coalesce(f.categories, r.categories)
     FROM facts f WHERE r.pk = f.pk`,
    [
      keys,
      int4Array(entries.map(({ version }) => version)),
      ...facets.columns,
      ...careColumns(entries.map(({ facts }) => facts)),
      int8Array(entries.map(({ categories }) => (categories === undefined ? null : BigInt.asIntN(64, categories)))),
    ],
  )
  await sql.query('DELETE FROM reference WHERE source_pk = ANY ($1::bigint[])', [keys])
  await sql.query('DELETE FROM ordered WHERE resource_pk = ANY ($1::bigint[])', [keys])
  await sql.query(
    `INSERT INTO reference (source_pk, ordinal, parameter, target_type, target_id) SELECT pk, n, parameter, type, id
     FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS t(pk, parameter, type, id, n)`,
    rows.references,
  )
  await sql.query(
    `INSERT INTO ordered (resource_pk, ordinal, parameter, lo, hi, unit)
     SELECT pk, n, parameter, lo, hi, CASE WHEN unit_from IS NULL THEN NULL ELSE ($7::bigint[])[unit_from:unit_to] END
     FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[], $5::int[], $6::int[])
       WITH ORDINALITY AS t(pk, parameter, lo, hi, unit_from, unit_to, n)`,
    rows.ordered,
  )
}

function same(a: IndexForms, b: IndexForms): boolean {
  const types = Object.keys(b)
  return types.length === Object.keys(a).length && types.every((type) => a[type] === b[type])
}

import { int4Array, textArray } from './array-parameter.js'
import type { Database, Statement } from './database.js'
import { Parameters } from './parameters.js'
import {
  OLD_VERSION_COLUMNS,
  ROW_COLUMNS,
  resourceRow,
  type SqlRow,
  type SqlVersion,
  storedVersion,
  VERSION_COLUMNS,
} from './stored-version.js'
import type { Ref, ResourceRow, RowFilter, StoredVersion, VersionRef } from './types.js'

const RESOLVE: Statement = {
  name: 'resolve',
  text: `SELECT i.n, ${ROW_COLUMNS} FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS i(type, id, n)
    JOIN resource r ON r.type = i.type AND r.id = i.id`,
}

const READ: Statement = {
  name: 'read',
  text: `SELECT i.n, ${VERSION_COLUMNS} FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS i(type, id, n)
    JOIN resource r ON r.type = i.type AND r.id = i.id
    JOIN resource_version v ON v.resource_pk = r.pk AND v.version = r.version`,
}

const READ_VERSION: Statement = {
  name: 'read-version',
  text: `SELECT i.n, ${OLD_VERSION_COLUMNS}
    FROM unnest($1::text[], $2::text[], $3::int[]) WITH ORDINALITY AS i(type, id, version, n)
    JOIN resource r ON r.type = i.type AND r.id = i.id
    JOIN resource_version v ON v.resource_pk = r.pk AND v.version = i.version`,
}

type Numbered<Row> = Row & { readonly n: bigint }

export async function resolve(database: Database, refs: readonly Ref[]): Promise<(ResourceRow | null)[]> {
  const { rows } = await database.run<Numbered<SqlRow>>(RESOLVE, names(refs))
  return inOrder(refs, rows, resourceRow)
}

export async function read(database: Database, refs: readonly Ref[]): Promise<(StoredVersion | null)[]> {
  const { rows } = await database.run<Numbered<SqlVersion>>(READ, names(refs))
  return inOrder(refs, rows, storedVersion)
}

export async function readVersion(database: Database, refs: readonly VersionRef[]): Promise<(StoredVersion | null)[]> {
  const { rows } = await database.run<Numbered<SqlVersion>>(READ_VERSION, [
    ...names(refs),
    int4Array(refs.map(({ version }) => version)),
  ])
  return inOrder(refs, rows, storedVersion)
}

/** Which of the resources the condition holds for, as `Type/id`. */
export async function fulfilling(
  database: Database,
  refs: readonly Ref[],
  filter: RowFilter,
): Promise<ReadonlySet<string>> {
  const parameters = new Parameters()
  const [types, ids] = names(refs).map((column) => parameters.bind(column))
  const { rows } = await database.query<{ type: string; id: string }>(
    `SELECT r.type, r.id FROM resource r WHERE (r.type, r.id) IN (SELECT * FROM unnest(${types}::text[], ${ids}::text[]))
       AND (${parameters.filter(filter)})`,
    parameters.values,
  )
  return new Set(rows.map(({ type, id }) => `${type}/${id}`))
}

function names(refs: readonly Ref[]): [Buffer, Buffer] {
  return [textArray(refs.map(({ type }) => type)), textArray(refs.map(({ id }) => id))]
}

function inOrder<Row, T>(refs: readonly Ref[], rows: readonly Numbered<Row>[], map: (row: Row) => T): (T | null)[] {
  const found = new Array<T | null>(refs.length).fill(null)
  for (const row of rows) found[Number(row.n) - 1] = map(row)
  return found
}

/** Statements with bound values. `int8` comes as bigint, `bytea` as Buffer, `jsonb` parsed. */
export interface Sql {
  query<Row = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<Result<Row>>
}

export interface Result<Row> {
  readonly rows: Row[]
  readonly rowCount: number
}

/** A statement that is sent often: parsed once per session under its name. */
export interface Statement {
  readonly name: string
  readonly text: string
}

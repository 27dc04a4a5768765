import type { RowFilter } from './types.js'

/** Bound values of one statement. Nothing from outside ever becomes SQL text; it gets a number here. */
export class Parameters {
  readonly values: unknown[] = []

  bind(value: unknown): string {
    this.values.push(value)
    return `$${this.values.length}`
  }

  /** The filter's own `$1 … $n`, renumbered. */
  filter({ sql, params }: RowFilter): string {
    const before = this.values.length
    this.values.push(...params)
    return sql.replace(/\$(\d+)/g, (_, n: string) => `$${before + Number(n)}`)
  }
}

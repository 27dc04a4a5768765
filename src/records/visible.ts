import { int8Array } from './array-parameter.js'
import { parseSnapshot } from './cursor.js'
import type { Parameters } from './parameters.js'

/** What the first page's snapshot could see, as conditions on rows `r` of `resource` and `v` of `resource_version`. */
export class Visible {
  readonly xmin: string
  readonly #xmax: string
  readonly #running: string

  constructor(parameters: Parameters, snapshot: string) {
    const { xmin, xmax, running } = parseSnapshot(snapshot)
    this.xmin = parameters.bind(xmin)
    this.#xmax = parameters.bind(xmax)
    this.#running = parameters.bind(int8Array(running))
  }

  /** The transaction had ended then. */
  ended(xid: string): string {
    return `(${xid} < ${this.xmin}::bigint OR (${xid} < ${this.#xmax}::bigint AND ${xid} <> ALL (${this.#running}::bigint[])))`
  }

  /** Changed since, but there then. */
  changedSince(): string {
    return `r.xid >= ${this.xmin}::bigint AND NOT ${this.ended('r.xid')} AND EXISTS (${this.#version()})`
  }

  existedThen(): string {
    return `(${this.ended('r.xid')} OR EXISTS (${this.#version()}))`
  }

  #version(): string {
    return `SELECT 1 FROM resource_version v WHERE v.resource_pk = r.pk AND ${this.ended('v.xid')} AND NOT v.deleted`
  }
}

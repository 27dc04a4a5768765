import { ConsentryError } from '../errors.js'
import { byteaArray, int8Array } from './array-parameter.js'
import type { BlindIndex } from './blind-index.js'
import type { Sql } from './database.js'
import type { IndexEntries, Name, NameEntry } from './types.js'

/** Tokens that are known to be kept; a client may make up as many codes as it likes. */
const REMEMBERED = 200_000
/** Different values that one search may be ordered by; some 20 ms of the main thread. */
const MOST = 20_000

/** Places of values in their order, from 0, by token. */
export type Ranks = ReadonlyMap<bigint, number>

/**
 * What tokens of codes and URLs stand for, sealed: so the gateway can order by them although the rows do not show their order. Kept before the rows that
 * have the tokens, and never taken away: a name that no row has harms nobody.
 */
export class TokenNames {
  readonly #kept = new Set<bigint>()

  constructor(
    private readonly sql: Pick<Sql, 'query'>,
    private readonly index: BlindIndex,
  ) {}

  /** One statement if there is a name that was not seen before, none otherwise. */
  async keep(entries: Iterable<Pick<IndexEntries, 'names'> | null>): Promise<void> {
    const fresh = new Map<bigint, NameEntry>()
    for (const each of entries) {
      for (const name of each?.names ?? []) if (!this.#kept.has(name.token)) fresh.set(name.token, name)
    }
    if (fresh.size === 0) return
    // in one order, so that two of these never wait for each other
    const names = [...fresh.values()].sort((a, b) => (a.token < b.token ? -1 : 1))
    await this.sql.query(
      `INSERT INTO token_name (token, parameter, sealed) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])
       ON CONFLICT DO NOTHING`,
      [
        int8Array(names.map(({ token }) => token)),
        int8Array(names.map(({ parameter }) => parameter)),
        byteaArray(
          names.map(({ token, system, code }) => this.index.texts.seal(token, JSON.stringify([system, code]))),
        ),
      ],
    )
    if (this.#kept.size + fresh.size > REMEMBERED) this.#kept.clear()
    for (const token of fresh.keys()) this.#kept.add(token)
  }
}

/** All names of some parameters, by parameter and token. @throws ConsentryError `too-large` for a parameter of too many values */
export async function namesOf(
  sql: Pick<Sql, 'query'>,
  index: BlindIndex,
  parameters: readonly bigint[],
): Promise<Map<bigint, Map<bigint, Name>>> {
  const { rows } = await sql.query<{ parameter: bigint; token: bigint; sealed: Buffer }>(
    `SELECT n.* FROM unnest($1::bigint[]) AS p(parameter) CROSS JOIN LATERAL
       (SELECT parameter, token, sealed FROM token_name t WHERE t.parameter = p.parameter LIMIT ${MOST + 1}) n`,
    [int8Array(parameters)],
  )
  const names = new Map(parameters.map((parameter) => [parameter, new Map<bigint, Name>()]))
  for (const { parameter, token, sealed } of rows) names.get(parameter)?.set(token, index.name(token, sealed))
  for (const { size } of names.values()) if (size > MOST) throw tooMany()
  return names
}

/** By code, and by system where two systems have the same. */
export function ranksOf(names: ReadonlyMap<bigint, Name>): Ranks {
  const sorted = [...names].sort(([, a], [, b]) => compare(a.code, b.code) || compare(a.system ?? '', b.system ?? ''))
  return new Map(sorted.map(([token], rank) => [token, rank]))
}

/** By code points, as the bytes of UTF-8 are ordered. */
function compare(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function tooMany(): ConsentryError {
  return new ConsentryError(
    'too-large',
    `There are more than ${MOST} different values of this parameter, which are too many to sort by; sort by another.`,
    { code: 'too-costly', expression: ['_sort'] },
  )
}

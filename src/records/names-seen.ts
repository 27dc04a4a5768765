import { ConsentryError } from '../errors.js'
import { int8Array } from './array-parameter.js'
import type { BlindIndex } from './blind-index.js'
import type { Database } from './database.js'
import { Parameters } from './parameters.js'
import type { Name, RowFilter } from './types.js'

export interface NamesSeenQuery {
  readonly type: string
  readonly param: string
}

export interface SeenName extends Name {
  readonly param: string
}

/**
 * Different codes and URLs that parameters of codings and URLs find in permitted resources: each name is looked for in the token index until one resource
 * that may be seen has it. One statement.
 *
 * @throws ConsentryError `too-large` for more than `most`
 */
export async function namesSeen(
  database: Database,
  index: BlindIndex,
  asked: readonly NamesSeenQuery[],
  most: number,
  filter: RowFilter,
): Promise<SeenName[]> {
  const byKey = new Map(asked.map(({ type, param }) => [index.sortParameter(type, param), param]))
  const parameters = new Parameters()
  const { rows } = await database.query<{ token: bigint; parameter: bigint; sealed: Buffer }>(
    `SELECT n.token, n.parameter, n.sealed FROM token_name n
     WHERE n.parameter = ANY (${parameters.bind(int8Array([...byKey.keys()]))}::bigint[])
       AND EXISTS (SELECT FROM resource r WHERE r.tokens @> ARRAY[n.token] AND (${parameters.filter(filter)}))
     LIMIT ${parameters.bind(most + 1)}`,
    parameters.values,
  )
  if (rows.length > most) {
    throw new ConsentryError('too-large', `There are more than ${most} different values; ask for one type.`, {
      code: 'too-costly',
    })
  }
  return rows.map(({ token, parameter, sealed }) => ({
    param: byKey.get(parameter) ?? '',
    ...index.name(token, sealed),
  }))
}

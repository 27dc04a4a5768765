import { ConsentryError } from '../errors.js'
import { int8Array } from './array-parameter.js'
import type { BlindIndex } from './blind-index.js'
import { cellsWithin } from './cells.js'
import type { Database } from './database.js'
import { Parameters } from './parameters.js'
import type { RowFilter } from './types.js'

/** Places that one search may measure: some 20 ms of the main thread. */
const MOST = 10_000

export interface PositionsQuery {
  readonly type: string
  readonly param: string
  /** Degrees; `east` may be beyond 180 and `west` below -180. */
  readonly bounds: { readonly south: number; readonly north: number; readonly west: number; readonly east: number }
}

export interface Placed {
  readonly id: string
  readonly lat: number
  readonly lon: number
}

/**
 * Where the permitted resources are that lie within the bounds, or not far outside of them. The rows show cells of the globe as tokens, and positions
 * sealed: who measures is the caller. One statement.
 *
 * @throws ConsentryError `too-large` for too many
 */
export async function positions(
  database: Database,
  index: BlindIndex,
  { type, param, bounds }: PositionsQuery,
  filter: RowFilter,
): Promise<Placed[]> {
  const parameters = new Parameters()
  const key = index.positionParameter(type, param)
  const cells = cellsWithin(bounds).map((cell) => index.token('cell', type, param, cell))
  const { rows } = await database.query<{ id: string; sealed: Buffer }>(
    `SELECT r.id, o.lo AS sealed FROM resource r JOIN ordered o ON o.resource_pk = r.pk AND o.parameter = ${parameters.bind(key)}
     WHERE r.tokens && ${parameters.bind(int8Array(cells))}::bigint[] AND (${parameters.filter(filter)}) LIMIT ${MOST + 1}`,
    parameters.values,
  )
  if (rows.length > MOST) {
    throw new ConsentryError('too-large', `More than ${MOST} places are as near as this; ask for a smaller distance.`, {
      code: 'too-costly',
      expression: [param],
    })
  }
  return rows.map(({ id, sealed }) => {
    const [lat = 0, lon = 0] = JSON.parse(index.texts.open(key, sealed)) as number[]
    return { id, lat, lon }
  })
}

import { ConsentryError } from '../errors.js'

/** Where a page ends, and which rows the first page could see. */
export interface Place {
  /** `pg_snapshot` of the first page: xmin:xmax:xip,… */
  readonly snapshot: string
  readonly lastUpdated: bigint
  readonly pk: bigint
}

const FORM = /^(\d{1,18}:\d{1,18}:(?:\d{1,18}(?:,\d{1,18})*)?)\/(-?\d{1,18})\/(\d{1,18})$/

/** Opaque to clients. It says nothing that they have not seen, and a made-up one only names another place. */
export function encodePlace({ snapshot, lastUpdated, pk }: Place): string {
  return Buffer.from(`${snapshot}/${lastUpdated}/${pk}`).toString('base64url')
}

export function decodePlace(cursor: string): Place {
  const match = FORM.exec(Buffer.from(cursor, 'base64url').toString('latin1'))
  if (match === null) {
    throw new ConsentryError('malformed', 'The page link is not one that this server made; start the search again.', {
      code: 'value',
      expression: ['http.cursor'],
    })
  }
  return { snapshot: match[1] as string, lastUpdated: BigInt(match[2] as string), pk: BigInt(match[3] as string) }
}

/** Transactions that a snapshot sees: all below `xmin`, and those below `xmax` that are not in `running`. */
export interface Snapshot {
  readonly xmin: bigint
  readonly xmax: bigint
  readonly running: readonly bigint[]
}

/** https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT, Table "Snapshot Components" */
export function parseSnapshot(text: string): Snapshot {
  const [xmin = '0', xmax = '0', running = ''] = text.split(':')
  return { xmin: BigInt(xmin), xmax: BigInt(xmax), running: running === '' ? [] : running.split(',').map(BigInt) }
}

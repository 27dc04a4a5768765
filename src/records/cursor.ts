import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { ConsentryError } from '../errors.js'

/** Where a page ends or begins, and which rows the first page could see. */
export interface Place {
  /** `pg_snapshot` of the first page: xmin:xmax:xip,… */
  readonly snapshot: string
  /** The page before the place, not after it. */
  readonly back: boolean
  /** What the row at the place is sorted by: numbers and bytes (hex) as text; `null` where it has nothing. */
  readonly keys: readonly (string | null)[]
  readonly pk: bigint
}

const FILLED = 64
const NONCE = 12
const TAG = 16
const SNAPSHOT = /^\d{1,18}:\d{1,18}:(?:\d{1,18}(?:,\d{1,18})*)?$/

/**
 * Places as clients hold them: stateless, sealed under a key of this server (AES-256-GCM), so that they show nothing of
 * keys and order, and none can be made up or carried to a search of another order.
 */
export class Cursors {
  /** @param key 32 bytes */
  constructor(private readonly key: Uint8Array) {}

  /** @param context what the place belongs to: type and order of the search */
  seal({ snapshot, back, keys, pk }: Place, context: string): string {
    return this.sealText(JSON.stringify([snapshot, back, keys, String(pk)]), context)
  }

  /** A place of another form, for whoever writes it as text. Filled up with blanks, so that its length does not tell how large its numbers are. */
  sealText(text: string, context: string): string {
    const nonce = randomBytes(NONCE)
    const cipher = createCipheriv('aes-256-gcm', this.key, nonce, { authTagLength: TAG }).setAAD(Buffer.from(context))
    const filled = text.padEnd(Math.ceil(text.length / FILLED) * FILLED)
    return Buffer.concat([nonce, cipher.update(filled), cipher.final(), cipher.getAuthTag()]).toString('base64url')
  }

  /** @throws ConsentryError `malformed` for a cursor that this server did not make for a search of this order */
  open(cursor: string, context: string): Place {
    const [snapshot, back, keys, pk] = JSON.parse(this.openText(cursor, context)) as Written
    if (!SNAPSHOT.test(snapshot)) throw foreign()
    return { snapshot, back, keys, pk: BigInt(pk) }
  }

  /** What `sealText` sealed for this context. Throws as `open` does. */
  openText(cursor: string, context: string): string {
    const bytes = Buffer.from(cursor, 'base64url')
    if (bytes.length <= NONCE + TAG) throw foreign()
    const decipher = createDecipheriv('aes-256-gcm', this.key, bytes.subarray(0, NONCE), { authTagLength: TAG })
      .setAAD(Buffer.from(context))
      .setAuthTag(bytes.subarray(-TAG))
    try {
      return Buffer.concat([decipher.update(bytes.subarray(NONCE, -TAG)), decipher.final()])
        .toString()
        .trimEnd()
    } catch {
      throw foreign()
    }
  }
}

type Written = [snapshot: string, back: boolean, keys: (string | null)[], pk: string]

function foreign(): ConsentryError {
  return new ConsentryError(
    'malformed',
    'The page link is not one that this server made for this; start again from the first page.',
    { code: 'value', expression: ['_cursor'] },
  )
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

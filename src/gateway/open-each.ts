import type { Permit } from '../consent/permit.js'
import { ConsentryError } from '../errors.js'
import type { StoredVersion } from '../records/types.js'
import type { Bodies } from './bodies.js'

export interface Losses {
  /** What is left out; every other failure is thrown. Default: what is missing or altered, which does not come back by itself. */
  readonly isLost?: (error: unknown) => boolean
  readonly onLost?: (error: unknown) => void
}

/**
 * Opens for what goes on by itself in the background: together, and where that fails each for itself, so that one keeps back none of the
 * others.
 *
 * @returns in the order of the rows, `null` for what is lost
 */
export async function openEach(
  bodies: Pick<Bodies, 'open'>,
  permit: Permit,
  rows: readonly StoredVersion[],
  { isLost = isUnsound, onLost = () => undefined }: Losses = {},
): Promise<(Uint8Array | null)[]> {
  if (rows.length === 0) return []
  const orLost = <T>(opening: Promise<T>, lost: (error: unknown) => T | Promise<T>): Promise<T> =>
    opening.catch((error: unknown) => {
      if (isLost(error)) return lost(error)
      throw error
    })
  const alone = (row: StoredVersion): Promise<Uint8Array | null> =>
    orLost<Uint8Array | null>(
      bodies.open(permit, [row]).then(([body]) => body ?? null),
      (error) => {
        onLost(error)
        return null
      },
    )
  return orLost<(Uint8Array | null)[]>(bodies.open(permit, rows), () => Promise.all(rows.map(alone)))
}

const isUnsound = (error: unknown): boolean => error instanceof ConsentryError && error.kind === 'integrity'

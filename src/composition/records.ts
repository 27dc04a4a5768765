import { wellKnownOfTrail } from '../audit/well-known.js'
import { ConsentMirror } from '../consent/mirror.js'
import { keepWellKnown } from '../embedded/well-known.js'
import { Anchors } from '../records/anchors.js'
import { BlindIndex } from '../records/blind-index.js'
import type { Database } from '../records/database.js'
import { RecordStore } from '../records/record-store.js'
import type { Site } from './site.js'
import type { Storage } from './storage.js'

/** What is kept in rows. */
export interface Records {
  readonly database: Database
  readonly index: BlindIndex
  readonly records: RecordStore
  readonly anchors: Anchors
  /** What the ledger says of grants and parties. */
  readonly mirror: ConsentMirror
}

export async function composeRecords({ baseUrl }: Site, { database, keystore, keys }: Storage): Promise<Records> {
  const wellKnown = await keepWellKnown(keystore, wellKnownOfTrail({ entity: keys.id, baseUrl }))
  const index = new BlindIndex(keys.index, wellKnown)
  return {
    database,
    index,
    records: new RecordStore(database, index),
    anchors: new Anchors(database),
    mirror: new ConsentMirror(database),
  }
}

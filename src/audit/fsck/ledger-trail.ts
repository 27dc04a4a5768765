import { LEDGER_FACT, OF_PATIENTS, OWN } from '../ledger-facts.js'
import { factRecordId } from '../ledger-records.js'
import type { Check, Material } from './check.js'
import { placeOf, type PlacedEvent } from './chain-history.js'

/** Each event of the ledger that concerns us is told in the trail, or waits to be. */
export const ledgerTrail: Check = async function* (material) {
  const { database, entity } = material
  const { rows } = await database.query<{ id: bigint; key: string; done: boolean }>(
    'SELECT id, key, done_at IS NOT NULL AS done FROM outbox WHERE kind = $1',
    [LEDGER_FACT],
  )
  const byKey = new Map(rows.map((row) => [row.key, row]))
  const wanted = new Map<string, PlacedEvent>()
  let count = 0
  for (const event of concerning(material)) {
    count++
    const row = byKey.get(`${event.blockHash}:${event.logIndex}`)
    if (row === undefined) {
      yield {
        check: 'ledger-trail',
        where: `${event.name}, ${placeOf(event)}`,
        what: 'The trail does not tell this event of the ledger, and nothing waits to tell it.',
      }
    } else if (row.done) {
      const placed = { block: { hash: event.blockHash }, logIndex: event.logIndex }
      wanted.set(factRecordId(entity, placed, String(row.id), 0), event)
    }
  }
  const ids = [...wanted.keys()]
  const { rows: present } = await database.query<{ id: string }>(
    `SELECT id FROM resource WHERE type = 'AuditEvent' AND id = ANY($1::text[])`,
    [ids],
  )
  for (const { id } of present) wanted.delete(id)
  for (const [id, event] of wanted) {
    const where = `AuditEvent/${id} (${event.name}, ${placeOf(event)})`
    yield { check: 'ledger-trail', where, what: 'The record that told this event of the ledger was removed.' }
  }
  return `${count} events that concern us`
}

function* concerning({ history, entity }: Material): Generator<PlacedEvent> {
  const patients = new Set<unknown>()
  const ours = new Set<unknown>([entity])
  for (const event of history.events) {
    const args = event.args as Record<string, unknown>
    if (event.name === 'PractitionerRegistered' && args['entity'] === entity) ours.add(args['practitioner'])
    if (event.name === 'PatientRegistered' && args['entity'] === entity) patients.add(args['patient'])
    const gives = event.name === 'ConsentGranted' || event.name === 'GlassBroken'
    if (gives && ours.has(args['grantee'])) patients.add(args['patient'])
    const told = OWN.has(event.name)
      ? args['entity'] === entity
      : OF_PATIENTS.has(event.name) && patients.has(args['patient'])
    if (told) yield event
  }
}

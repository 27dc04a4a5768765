import { grantRows } from '../../consent/grant-rows.js'
import { foldParty, partyOf } from '../../consent/parties.js'
import type { PatientId } from '../../consent/permit.js'
import { type Check, hex } from './check.js'
import { placeOf, type PlacedEvent } from './chain-history.js'

/** The mirror of consent and identity is what the chain's own events fold to; the rows' copy of the events is the chain's. */
export const consent: Check = async function* ({ database, history }) {
  const mirrored = history.events.filter((event) => subjectOf(event) !== null)
  const { rows } = await database.query<{
    block_number: bigint
    log_index: number
    block_hash: Buffer
    name: string
    args: unknown
  }>('SELECT block_number, log_index, block_hash, name, args FROM ledger_event')
  const stored = new Map(rows.map((row) => [`${row.block_number}:${row.log_index}`, row]))
  for (const event of mirrored) {
    const where = `${event.name}, ${placeOf(event)}`
    const key = `${event.blockNumber}:${event.logIndex}`
    const row = stored.get(key)
    stored.delete(key)
    if (row === undefined) yield { check: 'consent', where, what: 'The event is on chain and not in the rows.' }
    else if (
      hex(row.block_hash) !== event.blockHash ||
      row.name !== event.name ||
      canonical(row.args) !== canonical(event.args)
    ) {
      yield { check: 'consent', where, what: 'The row of the event differs from the chain.' }
    }
  }
  for (const [place, row] of stored) {
    yield { check: 'consent', where: `${row.name} at ${place}`, what: 'The row tells an event that is not on chain.' }
  }

  const granted = new Map<string, string>()
  for (const [patient, events] of bySubject(mirrored, 'ConsentRegistry')) {
    for (const row of grantRows(patient, events, history.cursor?.finalized ?? -1)) {
      const { from, to, purposes, categories, policies = [] } = row.word
      const key = `${patient} ${row.grantee} ${row.action} ${row.mask}`
      granted.set(key, [from, to, purposes & 0x7fff_ffff, BigInt.asIntN(64, categories), policies.join()].join(' '))
    }
  }
  const { rows: grants } = await database.query<{ key: string; word: string }>(
    `SELECT '0x' || encode(patient, 'hex') || ' 0x' || encode(grantee, 'hex') || ' ' || action || ' ' || label_mask AS key,
       valid_from || ' ' || valid_to || ' ' || purposes || ' ' || categories || ' ' ||
       coalesce((SELECT string_agg('0x' || encode(p, 'hex'), ',' ORDER BY n) FROM unnest(policies) WITH ORDINALITY AS u(p, n)), '') AS word
     FROM "grant"`,
  )
  yield* compare('consent', granted, new Map(grants.map(({ key, word }) => [key, word])), 'grant')

  const folded = new Map<string, string>()
  for (const [id, events] of bySubject(mirrored, 'IdentityRegistry')) {
    const party = foldParty(id, events)
    if (party !== null) folded.set(id, canonical(party))
  }
  const { rows: parties } = await database.query<{ id: Buffer; body: unknown }>('SELECT id, body FROM party')
  yield* compare('consent', folded, new Map(parties.map(({ id, body }) => [hex(id), canonical(body)])), 'party')
  return `${mirrored.length} events, ${granted.size} words in force, ${folded.size} parties`
}

function* compare(check: string, wanted: Map<string, string>, found: Map<string, string>, noun: string) {
  for (const [key, value] of wanted) {
    const row = found.get(key)
    if (row === undefined)
      yield { check, where: `${noun} ${key}`, what: `The chain has this ${noun}, the mirror has not.` }
    else if (row !== value) yield { check, where: `${noun} ${key}`, what: 'The mirror differs from the chain.' }
  }
  for (const key of found.keys()) {
    if (!wanted.has(key))
      yield { check, where: `${noun} ${key}`, what: `The mirror has this ${noun}, the chain has not.` }
  }
}

type Registry = 'ConsentRegistry' | 'IdentityRegistry'
type FoldedEvent = { contract: Registry; name: string; args: Record<string, unknown>; block: number }

function bySubject(events: readonly PlacedEvent[], contract: Registry): Map<PatientId, FoldedEvent[]> {
  const found = new Map<PatientId, FoldedEvent[]>()
  for (const event of events) {
    if (event.contract !== contract) continue
    const subject = subjectOf(event) as PatientId
    const folded = { contract, name: event.name, args: event.args as Record<string, unknown>, block: event.blockNumber }
    const held = found.get(subject)
    if (held) held.push(folded)
    else found.set(subject, [folded])
  }
  return found
}

function subjectOf(event: PlacedEvent): string | null {
  const args = event.args as Record<string, unknown>
  if (event.contract === 'ConsentRegistry') return (args['patient'] as string | undefined) ?? null
  return event.contract === 'IdentityRegistry' ? partyOf({ name: event.name, args }) : null
}

/** JSON with sorted keys, bigints as decimal text: as the rows hold them. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, v: unknown) => {
    if (typeof v === 'bigint') return String(v)
    if (v === null || typeof v !== 'object' || Array.isArray(v)) return v
    return Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}

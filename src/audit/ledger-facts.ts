import type { PartyId, PatientId } from '../consent/permit.js'
import type { BlockRef, ChainEvent } from '../ledger/chain.js'
import type { Hex } from '../ledger/hex.js'
import type { ChainStep } from '../ledger/sink.js'
import type { Sql } from '../records/database.js'

/** An event of the ledger that the trail tells, as it lies in the outbox: bigints are decimal text. */
export interface LedgerFact {
  readonly contract: string
  readonly name: string
  readonly args: Readonly<Record<string, unknown>>
  readonly block: BlockRef
  readonly transactionHash: Hex
  readonly logIndex: number
}

/** The fact, or that its block has left the chain; `undone` is the outbox id of the fact. */
export type FactMessage = LedgerFact | { readonly undone: string; readonly fact: LedgerFact }

/** Kind of the outbox rows. */
export const LEDGER_FACT = 'ledger-fact'

/** Events of a patient's consent, told when the patient is ours or the grantee is. */
export const OF_PATIENTS: ReadonlySet<string> = new Set([
  'ConsentGranted',
  'ConsentRevoked',
  'AllConsentsRevoked',
  'GlassBroken',
  'EmergencyVetoChanged',
  'AccessRequested',
  'AccessRefused',
  'AccessRequestWithdrawn',
])
/** Events that our own entity causes. */
export const OWN: ReadonlySet<string> = new Set(['PatientRegistered', 'RecordsAnchored', 'CustodyEnded'])

/**
 * Puts the events of a step that the trail tells into the outbox, in the follower's transaction: so each is told once,
 * whatever crashes. The mirror of consent must have applied the step before.
 */
export async function enqueueFacts(tx: Sql, entity: PartyId, step: ChainStep, now: number): Promise<number> {
  const candidates = step.events.filter(({ name }) => OF_PATIENTS.has(name) || OWN.has(name))
  if (candidates.length === 0) return 0
  const patients = [
    ...new Set(candidates.flatMap(({ name, args }) => (OF_PATIENTS.has(name) ? [patientOf(args)] : []))),
  ]
  const ours = patients.length === 0 ? new Set() : await concerning(tx, entity, patients)
  const facts = candidates.filter(({ name, args }) =>
    OWN.has(name) ? args['entity'] === entity : ours.has(patientOf(args)),
  )
  if (facts.length === 0) return 0
  await tx.query(
    `INSERT INTO outbox (kind, key, payload, due)
     SELECT $1, key, payload::jsonb, $4 FROM unnest($2::text[], $3::text[]) AS t(key, payload) ON CONFLICT DO NOTHING`,
    [LEDGER_FACT, facts.map((event) => `${event.block.hash}:${event.logIndex}`), facts.map(payloadOf), now],
  )
  return facts.length
}

/**
 * Facts of blocks above `block` are undone: each gets a message of its own, and its key is free again, so that it is told
 * anew if the same block comes back.
 */
export async function enqueueUndone(tx: Sql, block: number, now: number): Promise<number> {
  const { rowCount } = await tx.query(
    `WITH gone AS (
       UPDATE outbox SET key = key || ':gone:' || id
       WHERE kind = $1 AND position(':gone:' in key) = 0 AND (payload->'block'->>'number')::bigint > $2
       RETURNING id, key, payload)
     INSERT INTO outbox (kind, key, payload, due)
     SELECT $1, key || ':undone', jsonb_build_object('undone', id::text, 'fact', payload), $3 FROM gone ORDER BY id`,
    [LEDGER_FACT, block, now],
  )
  return rowCount
}

/** Those patients whom we registered, or who gave access to us or to a practitioner of ours. */
async function concerning(tx: Sql, entity: PartyId, patients: readonly PatientId[]): Promise<Set<string>> {
  const { rows } = await tx.query<{ subject: Buffer }>(
    `SELECT subject FROM ledger_event
     WHERE contract = 'IdentityRegistry' AND subject = ANY($1::bytea[]) AND name = 'PatientRegistered'
       AND args->>'entity' = $2
     UNION SELECT subject FROM ledger_event
     WHERE contract = 'ConsentRegistry' AND subject = ANY($1::bytea[]) AND name IN ('ConsentGranted', 'GlassBroken', 'AccessRequested')
       AND (args->>'grantee' = $2 OR args->>'grantee' IN (
         SELECT '0x' || encode(id, 'hex') FROM party WHERE kind = 'practitioner' AND body->>'parent' = $2))`,
    [patients.map((patient) => Buffer.from(patient.slice(2), 'hex')), entity],
  )
  return new Set(rows.map(({ subject }) => `0x${subject.toString('hex')}`))
}

function patientOf(args: Readonly<Record<string, unknown>>): PatientId {
  return args['patient'] as PatientId
}

function payloadOf({ contract, name, args, block, transactionHash, logIndex }: ChainEvent): string {
  const { number, hash, timestamp } = block
  const fact: LedgerFact = { contract, name, args, block: { number, hash, timestamp }, transactionHash, logIndex }
  return JSON.stringify(fact, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
}

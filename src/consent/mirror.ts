import type { ChainEvent } from '../ledger/chain.js'
import type { ChainStep } from '../ledger/sink.js'
import type { Sql } from '../records/database.js'
import { ActiveParties } from './active-parties.js'
import type { GrantWord } from './decide.js'
import { grantRows, type StoredEvent } from './grant-rows.js'
import { foldParty, type Party, partyOf } from './parties.js'
import { consentHistory } from './ledger-grants.js'
import type { PartyId, PatientId } from './permit.js'
import { policiesOf } from './policy-rows.js'
import { actionNumber, type WordAction } from './terms.js'
import { writableUntil } from './write-history.js'

type Contracts = 'IdentityRegistry' | 'ConsentRegistry'

/**
 * The mirror of consent and identity: every event of the two registries lies in `ledger_event`, and the rows of
 * `grant` and `party` are folded from the events of the patients and parties that a step touches. So undoing a
 * block is deleting its events and folding again; nothing is ever patched.
 */
export class ConsentMirror {
  #revision = 0
  readonly #active: ActiveParties

  constructor(private readonly sql: Sql) {
    this.#active = new ActiveParties(sql)
  }

  /** The transaction of a step that `apply` or `rollback` is part of. */
  changing<T>(step: () => Promise<T>): Promise<T> {
    return this.#active.changing(step)
  }

  /** Another number whenever a committed step has changed what the mirror says. */
  get revision(): number {
    return this.#revision
  }

  /** To be called once a step that `apply` or `rollback` was part of is committed. */
  moved(): void {
    this.#revision++
  }

  /** The words of these patients and grantees for an action, of any time and purpose, without those whose policy document is not here. */
  async words(patients: readonly PatientId[], grantees: readonly PartyId[], action: WordAction): Promise<GrantWord[]> {
    const { rows } = await this.sql.query<{
      patient: Buffer
      grantee: Buffer
      label_mask: bigint
      valid_from: bigint
      valid_to: bigint
      purposes: number
      categories: bigint
      policies: string[] | null
    }>(
      `SELECT patient, grantee, label_mask, valid_from, valid_to, purposes, categories,
         (SELECT array_agg('0x' || encode(p, 'hex')) FROM unnest(policies) p) AS policies FROM "grant"
       WHERE patient = ANY($1::bytea[]) AND grantee = ANY($2::bytea[]) AND action = $3`,
      [patients.map(bytes), grantees.map(bytes), actionNumber(action)],
    )
    const named = [...new Set(rows.flatMap(({ policies }) => (policies ?? []) as Hex[]))]
    const documents = await policiesOf(this.sql, named)
    const kept = rows.filter(({ policies }) => (policies ?? []).every((hash) => documents.has(hash as Hex)))
    return kept.map((row) => ({
      patient: hex(row.patient),
      grantee: hex(row.grantee),
      labels: row.label_mask,
      action,
      from: Number(row.valid_from),
      to: Number(row.valid_to),
      purposes: row.purposes,
      categories: BigInt.asUintN(64, row.categories),
      ...(row.policies === null ? {} : { policies: row.policies.flatMap((hash) => documents.get(hash as Hex) ?? []) }),
    }))
  }

  /** Until when one of these parties might write of the patient: what was written until then stays. As `writableUntil` says it. */
  async writableUntil(patient: PatientId, parties: readonly PartyId[]): Promise<number | null> {
    const histories = await consentHistory(this.sql, [patient])
    return writableUntil(histories.get(patient) ?? [], parties)
  }

  /** @param now seconds since the epoch */
  activeParties(parties: readonly PartyId[], now: number): Promise<Set<PartyId>> {
    return this.#active.of(parties, now)
  }

  async party(id: PartyId): Promise<Party | null> {
    return (await this.parties([id])).get(id) ?? null
  }

  async parties(ids: readonly PartyId[]): Promise<Map<PartyId, Party>> {
    const { rows } = await this.sql.query<{ body: Party }>('SELECT body FROM party WHERE id = ANY($1::bytea[])', [
      ids.map(bytes),
    ])
    return new Map(rows.map(({ body }) => [body.id, body]))
  }

  async partiesOfKind(kind: Party['kind']): Promise<Party[]> {
    const { rows } = await this.sql.query<{ body: Party }>('SELECT body FROM party WHERE kind = $1 ORDER BY id', [kind])
    return rows.map(({ body }) => body)
  }

  /**
   * A part of `changing`.
   * @param tx the transaction that also moves the cursor
   * @param finalizedBefore what the step before had as `finalized`
   * @returns whether it changes what the mirror says: then `moved` is to be called
   */
  async apply(tx: Sql, step: ChainStep, finalizedBefore: number): Promise<boolean> {
    await insertEvents(tx, step.events)
    const patients = new Set<PatientId>()
    const parties = new Set<PartyId>()
    for (const event of step.events) {
      const patient =
        event.contract === 'ConsentRegistry' ? (event.args['patient'] as PatientId | undefined) : undefined
      if (patient !== undefined) patients.add(patient)
      const party = event.contract === 'IdentityRegistry' ? partyOf(event) : null
      if (party !== null) parties.add(party)
    }
    if (step.finalized > finalizedBefore) {
      for (const patient of await patientsWithEvents(tx, finalizedBefore, step.finalized)) patients.add(patient)
    }
    await foldGrants(tx, [...patients], step.finalized)
    await foldParties(tx, [...parties])
    return patients.size + parties.size > 0
  }

  /** Undoes the events of blocks above `block`, as a part of `changing`. */
  async rollback(tx: Sql, block: number, finalized: number): Promise<void> {
    const { rows } = await tx.query<{ contract: Contracts; subject: Buffer }>(
      'DELETE FROM ledger_event WHERE block_number > $1 RETURNING contract, subject',
      [block],
    )
    const of = (contract: Contracts): Hex[] => [
      ...new Set(rows.filter((row) => row.contract === contract).map((row) => hex(row.subject))),
    ]
    await foldGrants(tx, of('ConsentRegistry'), finalized)
    await foldParties(tx, of('IdentityRegistry'))
  }
}

type Hex = `0x${string}`

async function insertEvents(tx: Sql, events: readonly ChainEvent[]): Promise<void> {
  const kept = events.flatMap((event) => {
    const subject =
      event.contract === 'ConsentRegistry'
        ? (event.args['patient'] as Hex | undefined)
        : event.contract === 'IdentityRegistry'
          ? partyOf(event)
          : null
    return subject ? [{ event, subject }] : []
  })
  if (kept.length === 0) return
  await tx.query(
    `INSERT INTO ledger_event
       (block_number, log_index, block_hash, block_time, transaction_hash, contract, name, subject, args)
     SELECT * FROM unnest($1::bigint[], $2::int[], $3::bytea[], $4::bigint[], $5::bytea[], $6::text[], $7::text[],
       $8::bytea[], $9::jsonb[])
     ON CONFLICT DO NOTHING`,
    [
      kept.map(({ event }) => event.block.number),
      kept.map(({ event }) => event.logIndex),
      kept.map(({ event }) => bytes(event.block.hash)),
      kept.map(({ event }) => event.block.timestamp),
      kept.map(({ event }) => bytes(event.transactionHash)),
      kept.map(({ event }) => event.contract),
      kept.map(({ event }) => event.name),
      kept.map(({ subject }) => bytes(subject)),
      kept.map(({ event }) => JSON.stringify(event.args, (_, v: unknown) => (typeof v === 'bigint' ? `${v}` : v))),
    ],
  )
}

async function patientsWithEvents(tx: Sql, after: number, upTo: number): Promise<PatientId[]> {
  const { rows } = await tx.query<{ subject: Buffer }>(
    `SELECT DISTINCT subject FROM ledger_event
     WHERE contract = 'ConsentRegistry' AND block_number > $1 AND block_number <= $2`,
    [after, upTo],
  )
  return rows.map((row) => hex(row.subject))
}

async function eventsOf(tx: Sql, contract: Contracts, subjects: readonly Hex[]): Promise<Map<Hex, StoredEvent[]>> {
  const { rows } = await tx.query<{
    subject: Buffer
    name: string
    args: Record<string, unknown>
    block_number: bigint
  }>(
    `SELECT subject, name, args, block_number FROM ledger_event
     WHERE contract = $1 AND subject = ANY($2::bytea[]) ORDER BY block_number, log_index`,
    [contract, subjects.map(bytes)],
  )
  const bySubject = new Map<Hex, StoredEvent[]>()
  for (const row of rows) {
    const event = { name: row.name, args: row.args, block: Number(row.block_number) }
    const held = bySubject.get(hex(row.subject))
    if (held) held.push(event)
    else bySubject.set(hex(row.subject), [event])
  }
  return bySubject
}

async function foldGrants(tx: Sql, patients: readonly PatientId[], finalized: number): Promise<void> {
  if (patients.length === 0) return
  const events = await eventsOf(tx, 'ConsentRegistry', patients)
  const rows = patients.flatMap((patient) => grantRows(patient, events.get(patient) ?? [], finalized))
  await tx.query('DELETE FROM "grant" WHERE patient = ANY($1::bytea[])', [patients.map(bytes)])
  if (rows.length === 0) return
  await tx.query(
    `INSERT INTO "grant"
       (patient, grantee, label_mask, action, valid_from, valid_to, purposes, categories, epoch, flags, policies)
     SELECT patient, grantee, label_mask, action, valid_from, valid_to, purposes, categories, epoch, flags,
       (SELECT array_agg(decode(p, 'hex')) FROM unnest(string_to_array(policies, ' ')) p)
     FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::smallint[], $5::bigint[], $6::bigint[], $7::int[], $8::bigint[],
       $9::int[], $10::int[], $11::text[])
       AS i(patient, grantee, label_mask, action, valid_from, valid_to, purposes, categories, epoch, flags, policies)`,
    [
      rows.map((row) => bytes(row.patient)),
      rows.map((row) => bytes(row.grantee)),
      rows.map((row) => row.mask),
      rows.map((row) => row.action),
      rows.map((row) => row.word.from),
      rows.map((row) => row.word.to),
      rows.map((row) => row.word.purposes & 0x7fff_ffff),
      rows.map((row) => BigInt.asIntN(64, row.word.categories)),
      rows.map((row) => row.word.epoch),
      rows.map((row) => row.word.flags),
      rows.map(({ word }) => word.policies?.map((hash) => hash.slice(2)).join(' ') ?? null),
    ],
  )
}

async function foldParties(tx: Sql, ids: readonly PartyId[]): Promise<void> {
  if (ids.length === 0) return
  const events = await eventsOf(tx, 'IdentityRegistry', ids)
  const parties = ids.flatMap((id) => foldParty(id, events.get(id) ?? []) ?? [])
  await tx.query('DELETE FROM party WHERE id = ANY($1::bytea[])', [ids.map(bytes)])
  if (parties.length === 0) return
  await tx.query(
    `INSERT INTO party (id, kind, status, valid_from, valid_to, body)
     SELECT * FROM unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::jsonb[])`,
    [
      parties.map((party) => bytes(party.id)),
      parties.map((party) => party.kind),
      parties.map((party) => party.status),
      parties.map((party) => party.validFrom),
      parties.map((party) => party.validTo),
      parties.map((party) => JSON.stringify(party)),
    ],
  )
}

function bytes(value: string): Buffer {
  return Buffer.from(value.slice(2), 'hex')
}

function hex(value: Buffer): Hex {
  return `0x${value.toString('hex')}`
}

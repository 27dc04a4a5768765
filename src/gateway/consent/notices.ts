import type { PatientId } from '../../consent/permit.js'
import type { BlindIndex } from '../../records/blind-index.js'
import type { Database, Sql } from '../../records/database.js'

/** `request`: of access. `review`, `alarm`: of an emergency access, for the privacy officer and for the patient. */
export type NoticeKind = 'request' | 'review' | 'alarm'

/** Who broke the glass. */
export interface Person {
  readonly client: string
  /** Party on the ledger. */
  readonly practitioner?: string
  /** The user as the client named it. */
  readonly subject?: string
}

/** A resource that tells who asks for access or took it, and what it says of the ledger so far. */
export interface Notice {
  readonly id: string
  readonly kind: NoticeKind
  readonly patient: PatientId
  /** Milliseconds since the epoch. */
  readonly at: number
  /** What it tells of, in the ledger's public words. */
  readonly about: Readonly<Record<string, unknown>>
  readonly person: Person | null
  /** The Consent that was proposed in answer. */
  readonly consentId: string | null
  /** Digest of what was told; `null`: nothing of the ledger yet. */
  readonly told: Buffer | null
  /** Seconds since the epoch: to be told anew then. */
  readonly until: number | null
  /** Milliseconds since the epoch: the review was made. */
  readonly doneAt: number | null
}

/** Reviews that are not made yet. */
export interface OpenReviews {
  readonly open: number
  readonly overdue: number
}

const DAY_MS = 86_400_000
/** After which what was sent to the ledger, and is not seen there, counts no more. */
const ON_THE_WAY_MS = 600_000
const COLUMNS = 'id, kind, patient, at, about, person, consent_id, told, until, done_at'

/**
 * The logical id of a notice: the same whoever writes it first, a request or the follower. Whoever causes the event knows all that it is about
 * beforehand, so it is keyed: nobody can take the name, or leave a deleted resource under it, before the notice is there.
 */
export function noticeId({ index }: NoticeNames, kind: NoticeKind, ...about: readonly string[]): string {
  return index.logicalId('notice', kind, ...about.map((each) => each.toLowerCase()))
}

export interface NoticeNames {
  readonly index: Pick<BlindIndex, 'logicalId'>
}

async function insert(tx: Sql, { id, kind, patient, at, about, person }: Notice): Promise<void> {
  await tx.query(
    'INSERT INTO notice (id, kind, patient, at, about, person) VALUES ($1, $2, $3, $4, $5::jsonb, $6::jsonb)',
    [id, kind, bytes(patient), at, JSON.stringify(about), person === null ? null : JSON.stringify(person)],
  )
}

export const typeOf = (kind: NoticeKind): 'Task' | 'Communication' => (kind === 'alarm' ? 'Communication' : 'Task')

/** Rows of `notice`. */
export class Notices {
  constructor(private readonly database: Database) {}

  async of(ids: readonly string[]): Promise<Map<string, Notice>> {
    const { rows } = await this.database.query<Row>(`SELECT ${COLUMNS} FROM notice WHERE id = ANY($1::text[])`, [ids])
    return new Map(rows.map((row) => [row.id, noticeOf(row)]))
  }

  async ofPatients(patients: readonly PatientId[]): Promise<Notice[]> {
    const { rows } = await this.database.query<Row>(`SELECT ${COLUMNS} FROM notice WHERE patient = ANY($1::bytea[])`, [
      patients.map(bytes),
    ])
    return rows.map(noticeOf)
  }

  /** Before the versions that say so are committed. What is known of person and Consent stays. */
  async keep(notices: readonly Notice[]): Promise<void> {
    await this.database.query(
      `INSERT INTO notice (${COLUMNS})
       SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bigint[], $5::jsonb[], $6::jsonb[], $7::text[],
         $8::bytea[], $9::bigint[], $10::bigint[])
       ON CONFLICT (id) DO UPDATE SET about = excluded.about, told = excluded.told, until = excluded.until`,
      [
        notices.map(({ id }) => id),
        notices.map(({ kind }) => kind),
        notices.map(({ patient }) => bytes(patient)),
        notices.map(({ at }) => at),
        notices.map(({ about }) => JSON.stringify(about)),
        notices.map(({ person }) => (person === null ? null : JSON.stringify(person))),
        notices.map(({ consentId }) => consentId),
        notices.map(({ told }) => told),
        notices.map(({ until }) => until),
        notices.map(({ doneAt }) => doneAt),
      ],
    )
  }

  /**
   * Keeps a request of access, if the patient has fewer than `most` of its grantee to answer: those that the ledger has, and those that are on
   * their way to it. Of several at one moment no more than are left succeed.
   *
   * @returns how many there are if that is too many
   */
  async takeRequest(request: Notice, most: number): Promise<number | null> {
    const about = JSON.stringify({ grantee: request.about['grantee'] })
    return this.#alone(`request of access ${request.patient} ${about}`, async (tx) => {
      const { rows } = await tx.query<{ open: bigint }>(
        `SELECT count(*) AS open FROM notice WHERE kind = 'request' AND patient = $1 AND about @> $2::jsonb
         AND (until IS NOT NULL OR (told IS NULL AND at > $3))`,
        [bytes(request.patient), about, request.at - ON_THE_WAY_MS],
      )
      const open = Number(rows[0]?.open ?? 0)
      if (open >= most) return open
      await insert(tx, request)
      return null
    })
  }

  async answeredWith(id: string, consentId: string): Promise<void> {
    await this.database.query('UPDATE notice SET consent_id = $2 WHERE id = $1', [id, consentId])
  }

  /** The review was made: it is due no more. */
  async done(id: string, at: number): Promise<void> {
    await this.database.query('UPDATE notice SET done_at = $2, until = NULL WHERE id = $1', [id, at])
  }

  /** @param now seconds since the epoch */
  async openReviews(now: number): Promise<OpenReviews> {
    const { rows } = await this.database.query<{ open: bigint; overdue: bigint }>(
      `SELECT count(*) AS open, count(*) FILTER (WHERE until IS NULL OR until <= $1) AS overdue FROM notice
       WHERE kind = 'review' AND told IS NOT NULL AND done_at IS NULL`,
      [now],
    )
    return { open: Number(rows[0]?.open ?? 0), overdue: Number(rows[0]?.overdue ?? 0) }
  }

  /**
   * Takes one of the emergency accesses that a person has in 24 hours; of several at one moment no more than are left succeed.
   * @returns when the next one is free, milliseconds since the epoch, if none is left
   */
  async take(review: Notice & { readonly person: Person }, perDay: number): Promise<number | null> {
    const person = JSON.stringify(counted(review.person))
    return this.#alone(person, async (tx) => {
      const { rows } = await tx.query<{ at: bigint }>(
        `SELECT at FROM notice WHERE kind = 'review' AND person @> $1::jsonb AND at > $2 ORDER BY at DESC LIMIT $3`,
        [person, review.at - DAY_MS, perDay],
      )
      const first = rows[perDay - 1]
      if (first !== undefined) return Number(first.at) + DAY_MS
      await insert(tx, review)
      return null
    })
  }

  /** Counts and takes in one step: of those who come under one name at one moment, one after the other. */
  #alone<T>(name: string, work: (tx: Sql) => Promise<T>): Promise<T> {
    return this.database.transaction(async (tx) => {
      await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [name])
      return work(tx)
    })
  }

  /** The ledger refused: nobody has used anything. */
  async giveBack(id: string): Promise<void> {
    await this.database.query('UPDATE notice SET person = NULL WHERE id = $1', [id])
  }

  /** Patients whose emergency record was opened through this gateway after a time; milliseconds. */
  async openedSince(at: number): Promise<PatientId[]> {
    const { rows } = await this.database.query<{ patient: Buffer }>(
      `SELECT DISTINCT patient FROM notice WHERE kind = 'review' AND at > $1 AND person IS NOT NULL`,
      [at],
    )
    return rows.map(({ patient }) => hex(patient))
  }

  /** Patients of whom something is to be told anew, and when the next is. Seconds. */
  async due(now: number): Promise<{ patients: PatientId[]; next: number | null }> {
    const { rows } = await this.database.query<{ patient: Buffer }>(
      'SELECT DISTINCT patient FROM notice WHERE until <= $1 LIMIT 100',
      [now],
    )
    const { rows: later } = await this.database.query<{ next: bigint | null }>(
      'SELECT min(until) AS next FROM notice WHERE until > $1',
      [now],
    )
    const next = later[0]?.next ?? null
    return { patients: rows.map(({ patient }) => hex(patient)), next: next === null ? null : Number(next) }
  }
}

/** What is counted as one person: the practitioner if the client is registered for one, else the user whom the client names. */
function counted({ client, practitioner, subject }: Person): Partial<Person> {
  if (practitioner !== undefined) return { practitioner }
  return subject === undefined ? { client } : { client, subject }
}

interface Row {
  readonly id: string
  readonly kind: NoticeKind
  readonly patient: Buffer
  readonly at: bigint
  readonly about: Readonly<Record<string, unknown>>
  readonly person: Person | null
  readonly consent_id: string | null
  readonly told: Buffer | null
  readonly until: bigint | null
  readonly done_at: bigint | null
}

function noticeOf({ patient, at, consent_id, until, done_at, ...row }: Row): Notice {
  return {
    ...row,
    patient: hex(patient),
    at: Number(at),
    consentId: consent_id,
    until: until === null ? null : Number(until),
    doneAt: done_at === null ? null : Number(done_at),
  }
}

function bytes(value: string): Buffer {
  return Buffer.from(value.slice(2), 'hex')
}

function hex(value: Buffer): PatientId {
  return `0x${value.toString('hex')}`
}

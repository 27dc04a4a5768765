import { consentHistory } from '../../consent/ledger-grants.js'
import type { ConsentMirror } from '../../consent/mirror.js'
import type { PartyId, PatientId } from '../../consent/permit.js'
import type { ChainStep } from '../../ledger/sink.js'
import type { Database, Sql } from '../../records/database.js'
import type { ChainShare } from '../chain-sink.js'
import type { GatewayParts } from '../parts.js'
import type { PatientReference } from './emergency-resources.js'
import type { ConsentLinks } from './links.js'
import { requestNotices } from './request-notices.js'
import { emergencyNotices, evidenceAt } from './emergency-notices.js'
import { openNotices, patientReferences, writeNotices } from './notice-writing.js'
import { type Notices, type OpenReviews, typeOf } from './notices.js'
import { PatientRounds } from './patient-rounds.js'
import type { LedgerAddress } from './resource.js'
import type { NoticeContext, NoticeHistory, ToldNotice } from './told-notice.js'

const KIND = 'notice'
/** A grant answers a request, so it is told where one may be open. */
const GRANT = 'ConsentGranted'
const EVENTS: ReadonlySet<string> = new Set([
  'GlassBroken',
  'AccessRequested',
  'AccessRefused',
  'AccessRequestWithdrawn',
  GRANT,
])

export interface NoticeMirroringParts {
  readonly parts: GatewayParts
  readonly database: Database
  readonly notices: Notices
  readonly links: Pick<ConsentLinks, 'ofPatients'>
  readonly mirror: ConsentMirror
  readonly ledger: LedgerAddress
  readonly reviewSeconds: number
  readonly onProblem: (error: unknown) => void
}

/**
 * Tells by Tasks and Communications what the ledger says of who asks for access and who took it. The follower's transaction puts the
 * patient into the outbox; a round folds the patient's whole history and writes what its notices do not say yet. So a
 * reorganisation is one more round over another history, and a round may be repeated.
 */
export class NoticeMirroring implements ChainShare {
  readonly #rounds: PatientRounds
  #reviews: OpenReviews = { open: 0, overdue: 0 }

  constructor(private readonly given: NoticeMirroringParts) {
    const { database, parts, notices, onProblem } = given
    const fold = {
      kind: KIND,
      what: 'notice',
      tell: (patients: readonly PatientId[]) => this.#tell(patients),
      due: (now: number) => notices.due(now),
      afterwards: async (now: number) => {
        this.#reviews = await notices.openReviews(now)
      },
    }
    this.#rounds = new PatientRounds(database, parts.clock, fold, onProblem)
  }

  /** As of the last round. */
  get reviews(): OpenReviews {
    return this.#reviews
  }

  start(): void {
    this.#rounds.poke()
  }

  stop(): Promise<void> {
    return this.#rounds.stop()
  }

  /** After the mirror of consent, whose events the rounds read. */
  async apply(tx: Sql, step: ChainStep): Promise<void> {
    const told = step.events.filter(({ name }) => EVENTS.has(name))
    if (told.length === 0) return
    const { entity, clock } = this.given.parts
    const { rowCount } = await tx.query(
      `INSERT INTO outbox (kind, key, payload, due)
       SELECT $1, t.patient || ':' || $5::text, jsonb_build_object('patient', t.patient, 'block', max(t.block)), $6
       FROM unnest($2::text[], $3::text[], $4::bigint[], $8::boolean[]) AS t(patient, grantee, block, answers)
       WHERE (NOT t.answers
           OR EXISTS (SELECT FROM notice n WHERE n.patient = decode(substr(t.patient, 3), 'hex') AND n.kind = 'request' AND n.until IS NOT NULL)
           OR EXISTS (SELECT FROM outbox o WHERE o.kind = $1 AND o.done_at IS NULL AND o.payload->>'patient' = t.patient))
         AND (t.grantee = $7
         OR EXISTS (SELECT FROM patient_link l WHERE l.patient = decode(substr(t.patient, 3), 'hex') AND l.wrapped_root IS NOT NULL)
         OR EXISTS (SELECT FROM party p WHERE p.id = decode(substr(t.grantee, 3), 'hex') AND p.body->>'parent' = $7))
       GROUP BY t.patient
       ON CONFLICT (kind, key) DO UPDATE SET done_at = NULL, due = excluded.due, claimed_until = 0`,
      [
        KIND,
        told.map(({ args }) => String(args['patient'])),
        told.map(({ args }) => args['grantee'] as string),
        told.map(({ block }) => block.number),
        step.head.hash,
        clock(),
        entity,
        told.map(({ name }) => name === GRANT),
      ],
    )
    if (rowCount > 0) this.#rounds.poke()
  }

  rollback(tx: Sql, block: number): Promise<void> {
    return this.#rounds.rollback(tx, block)
  }

  /** The notices of these patients say what the mirror of the ledger holds now. */
  settle(patients: readonly PatientId[]): Promise<void> {
    return this.#rounds.settle(patients)
  }

  /** @returns false when another writer was faster */
  async #tell(patients: readonly PatientId[]): Promise<boolean> {
    const { parts, notices } = this.given
    const histories = await this.#histories(patients)
    const context = await this.#context(histories)
    const known = new Map(histories.flatMap((history) => history.notices.map((notice) => [notice.id, notice])))
    const links = Map.groupBy(await this.given.links.ofPatients(patients), ({ terms }) => terms.patient)
    const news = histories
      .flatMap((history) => [
        ...emergencyNotices(context, history),
        ...requestNotices(context, history, links.get(history.patient) ?? []),
      ])
      .filter(({ notice }) => known.get(notice.id)?.told?.equals(notice.told) !== true)
    if (news.length === 0) return true
    const rows = await parts.records.read(news.map(({ notice }) => ({ type: typeOf(notice.kind), id: notice.id })))
    const found = rows.flatMap((row) => row ?? [])
    const opened = await openNotices(parts, found)
    // What was stated in a notice that the entity may not open at the moment must not be lost: it is told later.
    const tellable = news.filter((_, i) => rows[i] == null || opened.has((rows[i] as { id: string }).id))
    if (tellable.length === 0) return true
    const references = await patientReferences(parts, patients)
    const written = tellable.map(({ notice, resource, place, by, description }) => {
      const base = opened.get(notice.id) ?? null
      return {
        id: notice.id,
        patient: notice.patient,
        resource: resource(base?.resource ?? null, references.get(notice.patient) as PatientReference),
        previous: base?.row ?? null,
        evidence: place === null ? null : evidenceAt(context, place),
        description,
        by: place === null || by === null ? null : { ...by, at: place.blockTime },
      }
    })
    const committed = await writeNotices(parts, written, null, this.#more(tellable, references))
    if (committed) await notices.keep(tellable.map(({ notice }) => notice))
    return committed
  }

  #more(told: readonly ToldNotice[], references: Awaited<ReturnType<typeof patientReferences>>) {
    const { clock } = this.given.parts
    return told.flatMap(({ notice, more = [] }) =>
      more.map((what) => ({
        ...what,
        recorded: clock(),
        requestId: 'notices',
        agent: { self: true as const },
        patients: [{ id: notice.patient, reference: references.get(notice.patient)?.reference ?? 'Patient/unknown' }],
        data: [{ reference: `${typeOf(notice.kind)}/${notice.id}` }],
      })),
    )
  }

  async #histories(patients: readonly PatientId[]): Promise<NoticeHistory[]> {
    const { database, notices } = this.given
    const [events, kept, home] = await Promise.all([
      consentHistory(database, patients),
      notices.ofPatients(patients),
      registeredHere(database, patients),
    ])
    const byPatient = Map.groupBy(kept, ({ patient }) => patient)
    return patients.map((patient) => ({
      patient,
      home: home.has(patient),
      events: events.get(patient) ?? [],
      notices: byPatient.get(patient) ?? [],
    }))
  }

  async #context(histories: readonly NoticeHistory[]): Promise<NoticeContext> {
    const { parts, mirror, ledger, reviewSeconds } = this.given
    const { entity } = parts
    const grantees = new Set(
      histories.flatMap(({ events }) => events.flatMap(({ args }) => (args['grantee'] as PartyId | undefined) ?? [])),
    )
    const parties = await mirror.parties([...grantees])
    const practitioners = [...parties.values()].filter(
      ({ kind, parent }) => kind === 'practitioner' && parent === entity,
    )
    const ours = new Set([entity, ...practitioners.map(({ id }) => id)])
    return { entity, ledger, ours, now: Math.floor(parts.clock() / 1000), reviewSeconds, index: parts.index }
  }
}

/** Those of these patients whom we registered: we keep their record, and it is ours to tell them. */
async function registeredHere(sql: Sql, patients: readonly PatientId[]): Promise<Set<PatientId>> {
  const { rows } = await sql.query<{ patient: Buffer }>(
    'SELECT DISTINCT patient FROM patient_link WHERE patient = ANY($1::bytea[]) AND wrapped_root IS NOT NULL',
    [patients.map((patient) => Buffer.from(patient.slice(2), 'hex'))],
  )
  return new Set(rows.map(({ patient }): PatientId => `0x${patient.toString('hex')}`))
}

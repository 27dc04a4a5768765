import { consentHistory, ledgerGrants, policyIn } from '../../consent/ledger-grants.js'
import { ALL_LABELS_ID } from '../../consent/labels.js'
import type { PartyId, PatientId } from '../../consent/permit.js'
import type { PolicyDocuments } from '../../exchange/policy-documents.js'
import type { ChainStep } from '../../ledger/sink.js'
import type { Database, Sql } from '../../records/database.js'
import type { ChainShare } from '../chain-sink.js'
import type { GatewayParts } from '../parts.js'
import { type ConsentLink, ConsentLinks, linkOfLedger } from './links.js'
import type { LedgerAddress } from './resource.js'
import { narrowingIn } from './narrowing.js'
import { PatientRounds } from './patient-rounds.js'
import { type Change, tellChanges } from './tell-changes.js'
import { canBeTold, tellingDigest, tellingOf } from './telling.js'

const KIND = 'consent-mirror'
const EVENTS: ReadonlySet<string> = new Set(['ConsentGranted', 'ConsentRevoked', 'AllConsentsRevoked'])

/**
 * Mirrors the ledger's grants of the patients that are registered here as FHIR Consents. The follower's transaction puts the
 * patient into the outbox; a round folds the patient's whole history and writes what its Consents do not say yet. So a
 * reorganisation is one more round over a shorter history, and a round may be repeated.
 */
export class ConsentMirroring implements ChainShare {
  readonly #links: ConsentLinks
  readonly #rounds: PatientRounds

  constructor(
    private readonly parts: GatewayParts,
    private readonly database: Database,
    private readonly ledger: LedgerAddress,
    private readonly documents: Pick<PolicyDocuments, 'read'>,
    private readonly clock: () => number,
    onProblem: (error: unknown) => void,
  ) {
    this.#links = new ConsentLinks(database)
    const fold = {
      kind: KIND,
      what: 'Consent',
      tell: (patients: readonly PatientId[]) => this.#tell(patients),
      due: (now: number) => this.#links.ended(now),
    }
    this.#rounds = new PatientRounds(database, clock, fold, onProblem)
  }

  start(): void {
    this.#rounds.poke()
  }

  stop(): Promise<void> {
    return this.#rounds.stop()
  }

  /** After the mirror of consent, whose events the rounds read. */
  async apply(tx: Sql, step: ChainStep): Promise<void> {
    const { entity } = this.parts
    const patients = step.events.flatMap(({ name, args, block }) =>
      EVENTS.has(name) && !isCare(entity, args) ? [{ patient: args['patient'] as PatientId, block: block.number }] : [],
    )
    const { rowCount } = await tx.query(
      `INSERT INTO outbox (kind, key, payload, due)
       SELECT $1, t.patient || ':' || $4::text, jsonb_build_object('patient', t.patient, 'block', max(t.block)), $5
       FROM (
         SELECT * FROM unnest($2::text[], $3::bigint[])
         UNION ALL
         SELECT '0x' || encode(e.subject, 'hex'), e.block_number FROM ledger_event e, chain_cursor c
         WHERE e.contract = 'ConsentRegistry' AND e.name = 'ConsentGranted'
           AND c.name = 'chain' AND e.block_number > c.finalized AND e.block_number <= $6
           AND NOT (e.args->>'grantee' = $7 AND e.args->>'label' = $8)
       ) AS t(patient, block)
       JOIN patient_link l ON l.patient = decode(substr(t.patient, 3), 'hex') AND l.wrapped_root IS NOT NULL
       GROUP BY t.patient
       ON CONFLICT (kind, key) DO UPDATE SET done_at = NULL, due = excluded.due, claimed_until = 0`,
      [
        KIND,
        patients.map(({ patient }) => patient),
        patients.map(({ block }) => block),
        `${step.head.hash}:${step.finalized}`,
        this.clock(),
        step.finalized,
        entity,
        ALL_LABELS_ID,
      ],
    )
    if (rowCount > 0) this.#rounds.poke()
  }

  rollback(tx: Sql, block: number): Promise<void> {
    return this.#rounds.rollback(tx, block)
  }

  /** The Consents of these patients say what the mirror of the ledger holds now. */
  settle(patients: readonly PatientId[]): Promise<void> {
    return this.#rounds.settle(patients)
  }

  /** @returns false when another writer was faster */
  async #tell(patients: readonly PatientId[]): Promise<boolean> {
    const parts = this.parts
    const histories = await consentHistory(this.database, patients)
    const finalized = await this.#finalized()
    const links = await this.#links.ofPatients(patients)
    const rows = await parts.records.read(links.map(({ consentId }) => ({ type: 'Consent', id: consentId })))
    const grants = new Map(
      [...histories].flatMap(([patient, events]) => ledgerGrants(patient, events)).map((grant) => [grant.key, grant]),
    )
    const known = links.map((link, i) => ({ link, row: rows[i] ?? null, grant: grants.get(link.key) ?? null }))
    const linked = new Set(links.map(({ key }) => key))
    const fresh = [...grants.values()]
      .filter(({ key, terms }) => !linked.has(key) && !isCare(parts.entity, { ...terms, label: terms.labels[0] }))
      .map((grant) => ({ link: linkOfLedger(grant), row: null, grant }))
    const all = [...known, ...fresh]
    const documents = await this.documents.read(all.flatMap(({ link }) => policyIn(link.terms) ?? []))
    const changes = all.flatMap(({ link, row, grant }): Change[] => {
      // Sent and not seen yet, or never sent: nothing of the ledger was told.
      if (grant === null && link.version === null) return []
      const telling = tellingOf(link, grant, finalized, Math.floor(this.clock() / 1000))
      const digest = tellingDigest(telling)
      const policy = policyIn(link.terms)
      const document = policy === undefined ? undefined : documents.get(policy)
      // Without the document that narrows it, more would be told than was granted.
      const known = canBeTold(telling) && (policy === undefined || document !== undefined)
      if (isTold(link, row, digest) || !known) return []
      const narrowing = document === undefined ? {} : { narrowing: narrowingIn(document) }
      return [{ link, row, telling, digest, ...narrowing }]
    })
    return changes.length === 0 || tellChanges(parts, this.#links, this.ledger, changes)
  }

  async #finalized(): Promise<number> {
    const { rows } = await this.database.query<{ finalized: bigint }>(
      `SELECT finalized FROM chain_cursor WHERE name = 'chain'`,
    )
    return rows[0] ? Number(rows[0].finalized) : -1
  }
}

/** What an entity is given when it admits a patient (`admission.ts`) is not told as a Consent of its own. */
function isCare(entity: PartyId, { grantee, label }: Readonly<Record<string, unknown>>): boolean {
  return grantee === entity && label === ALL_LABELS_ID
}

/** A link is written before the version that it speaks of. */
function isTold(link: ConsentLink, row: { readonly version: number } | null, digest: Buffer): boolean {
  if (link.version === null || link.told === null || row === null) return false
  return row.version >= link.version && link.told.equals(digest)
}

import { randomUUID } from 'node:crypto'
import { type GrantedTerms, grantKey, type LedgerGrant, policyIn } from '../../consent/ledger-grants.js'
import type { PatientId } from '../../consent/permit.js'
import { ConsentryError } from '../../errors.js'
import type { Hex } from '../../ledger/hex.js'
import type { Sql } from '../../records/database.js'

/** A Consent and the grant that it stands for. */
export interface ConsentLink {
  readonly consentId: string
  readonly key: Hex
  readonly terms: GrantedTerms
  /** A client proposed the Consent here; else the ledger had the grant first. */
  readonly proposed: boolean
  /** Digest of what `version` of the Consent says; both `null` before anything of the ledger was told. */
  readonly told: Buffer | null
  readonly version: number | null
}

export interface ToldLink extends ConsentLink {
  readonly told: Buffer
  readonly version: number
  readonly until: number | null
}

interface Row {
  readonly consent_id: string
  readonly grant_key: Buffer
  readonly terms: Omit<GrantedTerms, 'categories'> & { readonly categories: string }
  readonly proposed: boolean
  readonly told: Buffer | null
  readonly version: number | null
}

const COLUMNS = 'consent_id, grant_key, terms, proposed, told, version'

/**
 * Which Consent stands for which grant. A Consent is linked before its grant is sent, so whatever happens then, the grant
 * finds its Consent when the ledger shows it. What is linked is the ledger's to change.
 */
export class ConsentLinks {
  constructor(private readonly sql: Sql) {}

  /** Those of these Consents that stand for a grant. */
  async of(consentIds: readonly string[]): Promise<ConsentLink[]> {
    if (consentIds.length === 0) return []
    const { rows } = await this.sql.query<Row>(
      `SELECT ${COLUMNS} FROM consent_link WHERE consent_id = ANY($1::text[])`,
      [consentIds],
    )
    return rows.map(linkOf)
  }

  async ofPatients(patients: readonly PatientId[]): Promise<ConsentLink[]> {
    const { rows } = await this.sql.query<Row>(`SELECT ${COLUMNS} FROM consent_link WHERE patient = ANY($1::bytea[])`, [
      patients.map(bytes),
    ])
    return rows.map(linkOf)
  }

  /** Before a grant is sent. @throws ConsentryError `conflict` when another Consent stands for the very same terms */
  async propose(consentId: string, terms: GrantedTerms): Promise<Hex> {
    const key = grantKey(terms)
    const { rowCount } = await this.sql.query(
      `INSERT INTO consent_link (consent_id, patient, grant_key, terms, proposed)
       SELECT $1::text, $2::bytea, $3::bytea, $4::jsonb, true
       WHERE NOT EXISTS (SELECT FROM consent_link other WHERE other.grant_key = $3::bytea AND other.consent_id <> $1::text)
       ON CONFLICT (consent_id) DO UPDATE SET grant_key = excluded.grant_key, terms = excluded.terms
         WHERE consent_link.version IS NULL`,
      [consentId, bytes(terms.patient), bytes(key), textOf(terms)],
    )
    if (rowCount === 1) return key
    throw new ConsentryError(
      'conflict',
      'This Consent, or another one of the very same terms, is a grant on the ledger.',
    )
  }

  /** The grant was refused: the Consent is its client's again. */
  async withdraw(consentId: string, key: Hex): Promise<void> {
    await this.sql.query('DELETE FROM consent_link WHERE consent_id = $1 AND grant_key = $2 AND version IS NULL', [
      consentId,
      bytes(key),
    ])
  }

  /** Before the versions that say so are committed. */
  async tell(links: readonly ToldLink[]): Promise<void> {
    await this.sql.query(
      `INSERT INTO consent_link (consent_id, patient, grant_key, terms, proposed, told, version, until)
       SELECT * FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::jsonb[], $5::boolean[], $6::bytea[], $7::int[],
         $8::bigint[])
       ON CONFLICT (consent_id) DO UPDATE SET told = excluded.told, version = excluded.version, until = excluded.until`,
      [
        links.map((link) => link.consentId),
        links.map((link) => bytes(link.terms.patient)),
        links.map((link) => bytes(link.key)),
        links.map((link) => textOf(link.terms)),
        links.map((link) => link.proposed),
        links.map((link) => link.told),
        links.map((link) => link.version),
        links.map((link) => link.until),
      ],
    )
  }

  /** Patients with Consents that are told as in force beyond their end, and when the next one ends. Seconds. */
  async ended(now: number): Promise<{ patients: PatientId[]; next: number | null }> {
    const { rows } = await this.sql.query<{ patient: Buffer }>(
      'SELECT DISTINCT patient FROM consent_link WHERE until <= $1 LIMIT 100',
      [now],
    )
    const { rows: later } = await this.sql.query<{ next: bigint | null }>(
      'SELECT min(until) AS next FROM consent_link WHERE until > $1',
      [now],
    )
    const next = later[0]?.next ?? null
    return { patients: rows.map(({ patient }) => hex(patient)), next: next === null ? null : Number(next) }
  }
}

/** The link of a grant that was made without a Consent here. */
export function linkOfLedger({ key, terms }: LedgerGrant): ConsentLink {
  return { consentId: randomUUID(), key, terms, proposed: false, told: null, version: null }
}

function linkOf(row: Row): ConsentLink {
  return {
    consentId: row.consent_id,
    key: hex(row.grant_key),
    terms: { ...row.terms, categories: BigInt(row.terms.categories) },
    proposed: row.proposed,
    told: row.told,
    version: row.version,
  }
}

/** The terms alone: what is handed in may be a whole grant with its nonce. */
function textOf(terms: GrantedTerms): string {
  const { patient, grantee, labels, actions, purposes, categories, from, to, packageHash } = terms
  const policyHash = policyIn(terms)
  const numbers = { actions, purposes, categories: String(categories), from, to }
  return JSON.stringify({ patient, grantee, labels, ...numbers, packageHash, policyHash })
}

function bytes(value: string): Buffer {
  return Buffer.from(value.slice(2), 'hex')
}

function hex(value: Buffer): Hex {
  return `0x${value.toString('hex')}`
}

import type { Sql } from '../records/database.js'
import type { PartyId } from './permit.js'
import type { Policy, PolicyRule } from './policy.js'

type Hex = `0x${string}`

interface Row {
  readonly hash: Buffer
  readonly excepts: boolean | null
  readonly parties: string[] | null
  readonly actions: number | null
  readonly purposes: number | null
  readonly labels: bigint | null
  readonly categories: bigint | null
  readonly care_from: Buffer | null
  readonly care_to: Buffer | null
  readonly facets: string[] | null
}

/**
 * Keeps a document and its rules. What is kept once is never changed: the hash names it.
 *
 * @param sealed the document, under a key that the database does not have
 */
export async function keepPolicy(sql: Sql, hash: Hex, sealed: Uint8Array, { rules }: Policy): Promise<void> {
  const json = rules.map((rule, ordinal) => ({
    ordinal,
    excepts: rule.excepts,
    parties: rule.parties ?? null,
    actions: rule.actions ?? null,
    purposes: rule.purposes ?? null,
    labels: textOf(rule.labels),
    categories: rule.categories === undefined ? null : String(BigInt.asIntN(64, rule.categories)),
    care_from: rule.care === undefined ? null : Buffer.from(rule.care.from).toString('hex'),
    care_to: rule.care === undefined ? null : Buffer.from(rule.care.to).toString('hex'),
    facets: rule.facets?.map(String) ?? null,
  }))
  await sql.query(
    `WITH kept AS (
       INSERT INTO policy_document (hash, body) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING RETURNING hash
     )
     INSERT INTO policy_rule (hash, ordinal, excepts, parties, actions, purposes, labels, categories, care_from, care_to, facets)
     SELECT kept.hash, (i->>'ordinal')::int, (i->>'excepts')::bool,
       CASE WHEN jsonb_typeof(i->'parties') = 'array' THEN ARRAY(SELECT decode(substr(p, 3), 'hex') FROM jsonb_array_elements_text(i->'parties') p) END,
       (i->>'actions')::int, (i->>'purposes')::int, (i->>'labels')::bigint, (i->>'categories')::bigint,
       decode(i->>'care_from', 'hex'), decode(i->>'care_to', 'hex'),
       CASE WHEN jsonb_typeof(i->'facets') = 'array' THEN ARRAY(SELECT f::bigint FROM jsonb_array_elements_text(i->'facets') f) END
     FROM kept, jsonb_array_elements($3::jsonb) i`,
    [bytes(hash), Buffer.from(sealed), JSON.stringify(json)],
  )
}

/** The policies of documents that are kept here, by hash. One query, none for none. */
export async function policiesOf(sql: Sql, hashes: readonly Hex[]): Promise<Map<Hex, Policy>> {
  if (hashes.length === 0) return new Map()
  const { rows } = await sql.query<Row>(
    `SELECT d.hash, r.excepts, ARRAY(SELECT encode(p, 'hex') FROM unnest(r.parties) p) AS parties, r.actions, r.purposes, r.labels,
       r.categories, r.care_from, r.care_to, r.facets::text[] AS facets
     FROM policy_document d LEFT JOIN policy_rule r ON r.hash = d.hash
     WHERE d.hash = ANY($1::bytea[]) ORDER BY d.hash, r.ordinal`,
    [hashes.map(bytes)],
  )
  const policies = new Map<Hex, { rules: PolicyRule[] }>()
  for (const row of rows) {
    const hash: Hex = `0x${row.hash.toString('hex')}`
    const policy = policies.get(hash) ?? { rules: [] }
    policies.set(hash, policy)
    if (row.excepts !== null) policy.rules.push(ruleOf(row, row.excepts))
  }
  return policies
}

/** The sealed documents that are kept here, by hash. */
export async function sealedPolicies(sql: Sql, hashes: readonly Hex[]): Promise<Map<Hex, Uint8Array>> {
  if (hashes.length === 0) return new Map()
  const { rows } = await sql.query<{ hash: Buffer; body: Buffer }>(
    'SELECT hash, body FROM policy_document WHERE hash = ANY($1::bytea[])',
    [hashes.map(bytes)],
  )
  return new Map(rows.map(({ hash, body }) => [`0x${hash.toString('hex')}` as const, body]))
}

function ruleOf(row: Row, excepts: boolean): PolicyRule {
  const { parties, actions, purposes, labels, categories, care_from: from, care_to: to, facets } = row
  return {
    excepts,
    ...(parties === null || parties.length === 0 ? {} : { parties: parties.map((hex): PartyId => `0x${hex}`) }),
    ...(actions === null ? {} : { actions }),
    ...(purposes === null ? {} : { purposes }),
    ...(labels === null ? {} : { labels }),
    ...(categories === null ? {} : { categories: BigInt.asUintN(64, categories) }),
    ...(from === null || to === null ? {} : { care: { from, to } }),
    ...(facets === null ? {} : { facets: facets.map(BigInt) }),
  }
}

const textOf = (value: bigint | undefined): string | null => (value === undefined ? null : String(value))

function bytes(value: string): Buffer {
  return Buffer.from(value.slice(2), 'hex')
}

import { boolArray, byteaArray, int4Array, int8Array, textArray } from './array-parameter.js'
import type { Statement } from './database.js'
import { bytesOf } from './hex.js'
import { careColumns, Facets, otherColumns } from './fact-rows.js'
import { IndexRows } from './index-rows.js'
import type { NewAuditRecord, NewOutbox, NewVersion } from './types.js'

/** What one statement writes; several callers' changes may be in it. */
export interface Writing {
  readonly versions: readonly (NewVersion | NewAuditRecord)[]
  /** The key of each version's resource. */
  readonly keys: readonly bigint[]
  readonly outbox: readonly NewOutbox[]
  /** Logical ids of Patients without whom nothing is written. */
  readonly present: readonly string[]
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** Not `[1:0]`, which is what a record without any facet has. */
const FACETS = 'CASE WHEN facet_from IS NULL THEN NULL ELSE ($42::bigint[])[facet_from:facet_to] END'
const XID = 'pg_current_xact_id()::text::bigint'

/** Versions of one row of the queue of what is to be anchored, at most. */
export const QUEUED = 500

const OTHERS = 'CASE WHEN other_from IS NULL THEN NULL ELSE ($47::bytea[])[other_from:other_to] END'

/*
 * Everything of a commit in one statement, whatever the number of rows. Tokens come as one flat array with the place of
 * each row's slice. Parameters come in the order of `parameters` below.
 *
 * A Patient whom the versions speak of is held until the end, so that it cannot be deleted meanwhile; FOR SHARE, for many may speak of one.
 * One that is being deleted is waited for and then looked at again. Where one is gone the gate is shut, for every part of the statement.
 */
const write = (name: string, whenPresent: string): Statement => ({
  name,
  text: `
WITH held AS MATERIALIZED (
  SELECT r.pk FROM resource r WHERE r.type = 'Patient' AND r.id = ANY ($40::text[]) AND NOT r.deleted ORDER BY r.pk FOR SHARE
), gate AS MATERIALIZED (
  SELECT count(*) = cardinality($40::text[]) AS open FROM held
), input AS MATERIALIZED (
  SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::int[], $5::bigint[], $6::bool[], $7::bytea[], $8::bytea[],
    $9::bigint[], $10::bigint[], $11::text[], $12::int[], $13::int[], $14::text[], $15::bytea[], $16::bytea[], $17::bytea[],
    $18::bytea[], $19::bytea[], $39::text[], $41::text[], $43::int[], $44::int[], $45::bytea[], $46::bytea[], $48::int[], $49::int[])
  AS i(pk, type, id, version, last_updated, deleted, patient, origin, labels, categories, source, token_from, token_to,
    cid, body, content_hash, salt, author, leaf, method, operation, facet_from, facet_to, care_lo, care_hi, other_from, other_to) WHERE (SELECT open FROM gate)
), resources AS (
  INSERT INTO resource (pk, type, id, version, last_updated, deleted, patient, origin, labels, categories, source, tokens, xid,
    facets, care_lo, care_hi, others)
  SELECT pk, type, id, version, last_updated, deleted, patient, origin, labels, categories, source,
    ($20::bigint[])[token_from:token_to], ${XID}, ${FACETS}, care_lo, care_hi, ${OTHERS} FROM input ${whenPresent}
), versions AS (
  INSERT INTO resource_version (resource_pk, version, last_updated, deleted, patient, labels, categories, cid, body,
    content_hash, salt, author, xid, leaf, method, operation, facets, care_lo, care_hi, others)
  SELECT pk, version, last_updated, deleted, patient, labels, categories, cid, body, content_hash, salt, author, ${XID}, leaf,
    method, operation, ${FACETS}, care_lo, care_hi, ${OTHERS}
  FROM input
), "references" AS (
  INSERT INTO reference (source_pk, ordinal, parameter, target_type, target_id)
  SELECT pk, n, parameter, type, id
  FROM unnest($21::bigint[], $22::text[], $23::text[], $24::text[]) WITH ORDINALITY AS t(pk, parameter, type, id, n)
  WHERE (SELECT open FROM gate)
), ordereds AS (
  INSERT INTO ordered (resource_pk, ordinal, parameter, lo, hi, unit)
  SELECT pk, n, parameter, lo, hi, CASE WHEN unit_from IS NULL THEN NULL ELSE ($31::bigint[])[unit_from:unit_to] END
  FROM unnest($25::bigint[], $26::bigint[], $27::bytea[], $28::bytea[], $29::int[], $30::int[])
    WITH ORDINALITY AS t(pk, parameter, lo, hi, unit_from, unit_to, n) WHERE (SELECT open FROM gate)
), leaves AS (
  INSERT INTO audit_leaf (resource_pk, hash, salt) SELECT * FROM unnest($32::bigint[], $33::bytea[], $34::bytea[])
  WHERE (SELECT open FROM gate)
), queue AS (
  INSERT INTO unanchored (pks, versions, size)
  SELECT array_agg(pk ORDER BY n), array_agg(version ORDER BY n), count(*)
  FROM (SELECT pk, version, row_number() OVER (ORDER BY pk) - 1 AS n FROM input WHERE leaf IS NOT NULL) l
  GROUP BY n / ${QUEUED} ORDER BY n / ${QUEUED}
), jobs AS (
  INSERT INTO outbox (kind, key, payload, due)
  SELECT kind, key, payload::jsonb, due FROM unnest($35::text[], $36::text[], $37::text[], $38::bigint[])
    AS t(kind, key, payload, due) WHERE (SELECT open FROM gate)
  ON CONFLICT (kind, key) DO NOTHING
)
SELECT open FROM gate`,
})

/** Only resources that are new: a `type` and `id` that exist are a unique violation of `resource_type_id`. */
export const WRITE_NEW = write('write-new', '')

/** New versions too; their rows are locked and their index rows deleted before. */
export const WRITE = write(
  'write',
  `ON CONFLICT (pk) DO UPDATE SET version = excluded.version, last_updated = excluded.last_updated,
    deleted = excluded.deleted, patient = excluded.patient, labels = excluded.labels, categories = excluded.categories,
    tokens = excluded.tokens, xid = excluded.xid, facets = excluded.facets, care_lo = excluded.care_lo,
    care_hi = excluded.care_hi, others = excluded.others`,
)

/** What the statement answers: whether it has written, or one of the Patients is not there. */
export interface Gate {
  readonly open: boolean
}

export function parameters({ versions, keys, outbox, present, now }: Writing): unknown[] {
  const rows = new IndexRows()
  const leaves = { pk: [] as bigint[], hash: [] as Uint8Array[], salt: [] as Uint8Array[] }

  const facets = new Facets()

  versions.forEach((version, i) => {
    const pk = keys[i] as bigint
    facets.add(version.facts)
    rows.add(pk, version.index)
    if ('auditLeaf' in version) {
      leaves.pk.push(pk)
      leaves.hash.push(version.auditLeaf.hash)
      leaves.salt.push(version.auditLeaf.salt)
    }
  })

  return [
    int8Array(keys),
    textArray(versions.map((v) => v.type)),
    textArray(versions.map((v) => v.id)),
    int4Array(versions.map((v) => v.version)),
    int8Array(versions.map((v) => BigInt(v.lastUpdated))),
    boolArray(versions.map((v) => v.deleted)),
    byteaArray(versions.map((v) => v.patient && bytesOf(v.patient))),
    byteaArray(versions.map((v) => bytesOf(v.origin))),
    int8Array(versions.map((v) => v.labels)),
    int8Array(versions.map((v) => BigInt.asIntN(64, v.categories))),
    textArray(versions.map((v) => v.source)),
    ...rows.tokenPlaces,
    textArray(versions.map((v) => v.cid)),
    byteaArray(versions.map((v) => v.body)),
    byteaArray(versions.map((v) => v.contentHash)),
    byteaArray(versions.map((v) => v.salt)),
    byteaArray(versions.map((v) => bytesOf(v.author))),
    byteaArray(versions.map((v) => v.leaf)),
    rows.tokens,
    ...rows.references,
    ...rows.ordered,
    int8Array(leaves.pk),
    byteaArray(leaves.hash),
    byteaArray(leaves.salt),
    textArray(outbox.map((o) => o.kind)),
    textArray(outbox.map((o) => o.key)),
    textArray(outbox.map((o) => JSON.stringify(o.payload ?? null))),
    int8Array(outbox.map((o) => BigInt(o.due ?? now))),
    textArray(versions.map(({ method }) => method ?? null)),
    textArray(present),
    textArray(versions.map(({ operation }) => operation ?? null)),
    ...facets.columns,
    ...careColumns(versions.map(({ facts }) => facts)),
    ...otherColumns(versions.map(({ others }) => others)),
  ]
}

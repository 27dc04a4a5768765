import type { NewVersion } from '../../../src/records/types.js'

/* Other forms of the parameters of a write, to compare with the binary arrays that are used. */

/** The array of a binary parameter, for the variant that sends it as text. */
export function decodeArray(binary: Buffer): unknown[] {
  if (binary.readInt32BE(0) === 0) return []
  const [type, length] = [binary.readInt32BE(8), binary.readInt32BE(12)]
  const out: unknown[] = []
  for (let i = 0, at = 20; i < length; i++) {
    const size = binary.readInt32BE(at)
    const bytes = binary.subarray(at + 4, at + 4 + Math.max(size, 0))
    at += 4 + bytes.length
    if (size < 0) out.push(null)
    else if (type === 20) out.push(bytes.readBigInt64BE())
    else if (type === 23) out.push(bytes.readInt32BE())
    else if (type === 16) out.push(bytes[0] === 1)
    else out.push(type === 25 ? bytes.toString() : bytes)
  }
  return out
}

const XID = 'pg_current_xact_id()::text::bigint'
export const WRITE_JSON = {
  name: 'write-json',
  text: `WITH input AS MATERIALIZED (SELECT * FROM json_to_recordset($1::json) AS i(pk bigint, type text, id text, version int,
    last_updated bigint, deleted bool, patient bytea, origin bytea, labels bigint, categories bigint, source text, tokens bigint[],
    cid text, body bytea, content_hash bytea, salt bytea, author bytea, leaf bytea)
  ), resources AS (INSERT INTO resource SELECT pk, type, id, version, last_updated, deleted, patient, origin, labels, categories,
    source, tokens, ${XID} FROM input
  ), versions AS (INSERT INTO resource_version SELECT pk, version, last_updated, deleted, patient, labels, categories, cid, body,
    content_hash, salt, author, ${XID}, leaf FROM input
  ), "references" AS (INSERT INTO reference SELECT * FROM json_to_recordset($2::json)
    AS t(pk bigint, n int, parameter text, type text, id text))
  INSERT INTO ordered SELECT * FROM json_to_recordset($3::json) AS t(pk bigint, n int, parameter bigint, lo bytea, hi bytea, unit bigint[])`,
}

/** https://tc39.es/proposal-json-parse-with-source/, not in TypeScript's library yet. */
const RAW = JSON as unknown as { rawJSON(text: string): unknown }

export function jsonParameters({ versions, keys }: { versions: NewVersion[]; keys: bigint[] }): string[] {
  const bytes = (value: Uint8Array | string | null): string | null =>
    value === null ? null : `\\x${typeof value === 'string' ? value.slice(2) : Buffer.from(value).toString('hex')}`
  const json = (value: unknown): string =>
    JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? RAW.rawJSON(String(one)) : one))
  return [
    json(
      versions.map((v, i) => ({
        pk: keys[i],
        type: v.type,
        id: v.id,
        version: v.version,
        last_updated: v.lastUpdated,
        deleted: v.deleted,
        patient: bytes(v.patient),
        origin: bytes(v.origin),
        labels: v.labels,
        categories: v.categories,
        source: v.source,
        tokens: Array.from(v.index?.tokens ?? []),
        cid: v.cid,
        body: bytes(v.body),
        content_hash: bytes(v.contentHash),
        salt: bytes(v.salt),
        author: bytes(v.author),
        leaf: bytes(v.leaf),
      })),
    ),
    json(
      versions.flatMap((v, i) =>
        (v.index?.references ?? []).map((r, n) => ({
          pk: keys[i],
          n,
          parameter: r.parameter,
          type: r.targetType,
          id: r.targetId,
        })),
      ),
    ),
    json(
      versions.flatMap((v, i) =>
        (v.index?.ordered ?? []).map((o, n) => ({
          pk: keys[i],
          n,
          parameter: o.parameter,
          lo: bytes(o.lo),
          hi: bytes(o.hi),
          unit: o.unit,
        })),
      ),
    ),
  ]
}

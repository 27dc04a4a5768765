/*
 * One-dimensional arrays in PostgreSQL's binary form (src/backend/utils/adt/arrayfuncs.c, array_recv): dimensions,
 * has-nulls flag, element type, length, lower bound, then length and bytes of each element. `pg` sends a Buffer as a
 * binary parameter, so rows reach the server without being printed and parsed (figures in README).
 */

const OID = { bool: 16, bytea: 17, int8: 20, int4: 23, text: 25 } as const
const HEADER = 20
const NULL = -1

export function int8Array(values: readonly (bigint | null)[]): Buffer {
  const out = fixed(OID.int8, values, 8)
  for (let i = 0, at = HEADER; i < values.length; i++) {
    const value = values[i] as bigint | null
    if (value === null) at = out.writeInt32BE(NULL, at)
    else at = out.writeBigInt64BE(value, out.writeInt32BE(8, at))
  }
  return out
}

export function int4Array(values: readonly (number | null)[]): Buffer {
  const out = fixed(OID.int4, values, 4)
  for (let i = 0, at = HEADER; i < values.length; i++) {
    const value = values[i] as number | null
    if (value === null) at = out.writeInt32BE(NULL, at)
    else at = out.writeInt32BE(value, out.writeInt32BE(4, at))
  }
  return out
}

export function boolArray(values: readonly boolean[]): Buffer {
  const out = fixed(OID.bool, values, 1)
  for (let i = 0, at = HEADER; i < values.length; i++) {
    at = out.writeUInt8(values[i] ? 1 : 0, out.writeInt32BE(1, at))
  }
  return out
}

export function textArray(values: readonly (string | null)[]): Buffer {
  let size = HEADER
  for (const value of values) size += 4 + (value === null ? 0 : Buffer.byteLength(value))
  const out = header(OID.text, values, size)
  let at = HEADER
  for (const value of values) {
    if (value === null) at = out.writeInt32BE(NULL, at)
    else {
      const length = out.write(value, at + 4)
      at = out.writeInt32BE(length, at) + length
    }
  }
  return out
}

export function byteaArray(values: readonly (Uint8Array | null)[]): Buffer {
  let size = HEADER
  for (const value of values) size += 4 + (value?.length ?? 0)
  const out = header(OID.bytea, values, size)
  let at = HEADER
  for (const value of values) {
    if (value === null) at = out.writeInt32BE(NULL, at)
    else {
      at = out.writeInt32BE(value.length, at)
      out.set(value, at)
      at += value.length
    }
  }
  return out
}

function fixed(oid: number, values: readonly unknown[], width: number): Buffer {
  let nulls = 0
  for (const value of values) if (value === null) nulls++
  return header(oid, values, HEADER + values.length * (4 + width) - nulls * width)
}

function header(oid: number, values: readonly unknown[], size: number): Buffer {
  // an empty array has no dimension
  const out = Buffer.allocUnsafe(values.length === 0 ? 12 : size)
  out.writeInt32BE(values.length === 0 ? 0 : 1, 0)
  out.writeInt32BE(values.includes(null) ? 1 : 0, 4)
  out.writeInt32BE(oid, 8)
  if (values.length > 0) {
    out.writeInt32BE(values.length, 12)
    out.writeInt32BE(1, 16)
  }
  return out
}

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
  const view = viewOf(out)
  for (let i = 0, at = HEADER; i < values.length; i++) {
    const value = values[i] as bigint | null
    view.setInt32(at, value === null ? NULL : 8)
    at += 4
    if (value === null) continue
    view.setBigInt64(at, value)
    at += 8
  }
  return out
}

/** Arrays end to end, none of them with a null. */
export function int8Arrays(parts: readonly ArrayLike<bigint>[]): Buffer {
  let count = 0
  for (const part of parts) count += part.length
  const out = header(OID.int8, count, false, HEADER + count * 12)
  const view = viewOf(out)
  let at = HEADER
  for (const part of parts) {
    for (let i = 0; i < part.length; i++, at += 12) {
      view.setInt32(at, 8)
      view.setBigInt64(at + 4, part[i] as bigint)
    }
  }
  return out
}

export function int4Array(values: readonly (number | null)[]): Buffer {
  const out = fixed(OID.int4, values, 4)
  const view = viewOf(out)
  for (let i = 0, at = HEADER; i < values.length; i++) {
    const value = values[i] as number | null
    view.setInt32(at, value === null ? NULL : 4)
    at += 4
    if (value === null) continue
    view.setInt32(at, value)
    at += 4
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
  const out = header(OID.text, values.length, values.includes(null), size)
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
  const out = header(OID.bytea, values.length, values.includes(null), size)
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
  return header(oid, values.length, nulls > 0, HEADER + values.length * (4 + width) - nulls * width)
}

function header(oid: number, count: number, nulls: boolean, size: number): Buffer {
  // an empty array has no dimension
  const out = Buffer.allocUnsafe(count === 0 ? 12 : size)
  out.writeInt32BE(count === 0 ? 0 : 1, 0)
  out.writeInt32BE(nulls ? 1 : 0, 4)
  out.writeInt32BE(oid, 8)
  if (count > 0) {
    out.writeInt32BE(count, 12)
    out.writeInt32BE(1, 16)
  }
  return out
}

/** Half the time of the writing methods of Buffer, which check each number and each place. */
function viewOf(out: Buffer): DataView {
  return new DataView(out.buffer, out.byteOffset, out.length)
}

import type { IndexEntries, ReferenceEntry } from './types.js'

/** The entries of a resource whose elements were indexed in parts. */
export function joined(parts: readonly IndexEntries[]): IndexEntries {
  const tokens: bigint[] = []
  const references = new Map<string, ReferenceEntry>()
  for (const part of parts) {
    push(tokens, part.tokens)
    for (const entry of part.references) references.set(referenceName(entry), entry)
  }
  return {
    tokens: ascending(tokens),
    references: [...references.values()],
    ordered: parts.flatMap(({ ordered }) => ordered),
    names: parts.flatMap(({ names }) => names),
  }
}

export function referenceName({ parameter, targetType, targetId }: ReferenceEntry): string {
  return `${parameter}|${targetType}/${targetId}`
}

export function push(tokens: bigint[], more: ArrayLike<bigint>): void {
  for (let i = 0; i < more.length; i++) tokens.push(more[i] as bigint)
}

/** Each once. In no order that would say which parameter a token is of. */
export function ascending(tokens: readonly bigint[]): BigInt64Array {
  const sorted = new BigInt64Array(tokens.length)
  for (let i = 0; i < tokens.length; i++) sorted[i] = tokens[i] as bigint
  sorted.sort()
  let kept = 0
  for (let i = 0; i < sorted.length; i++) {
    if (i === 0 || sorted[i] !== sorted[i - 1]) sorted[kept++] = sorted[i] as bigint
  }
  return sorted.subarray(0, kept)
}

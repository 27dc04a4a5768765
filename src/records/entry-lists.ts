import type { IndexEntries, ReferenceEntry } from './types.js'

/** The entries of a resource whose elements were indexed in two parts. */
export function joined(a: IndexEntries, b: IndexEntries): IndexEntries {
  const tokens: bigint[] = []
  push(tokens, a.tokens)
  push(tokens, b.tokens)
  const references = new Map([...a.references, ...b.references].map((entry) => [referenceName(entry), entry]))
  return {
    tokens: ascending(tokens),
    references: [...references.values()],
    ordered: [...a.ordered, ...b.ordered],
    names: [...a.names, ...b.names],
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

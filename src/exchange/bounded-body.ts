/**
 * The body of somebody else's answer, decompressed as it comes.
 * @param limit bytes
 * @returns `null`, with the connection cut, as soon as it is longer: a length that its sender states is not believed
 */
export async function boundedBody({ body }: Response, limit: number): Promise<Uint8Array | null> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of (body ?? []) as AsyncIterable<Uint8Array>) {
    length += part.length
    if (length > limit) return null
    parts.push(part)
  }
  return new Uint8Array(Buffer.concat(parts))
}

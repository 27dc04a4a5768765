import { ConsentryError } from '../errors.js'

/** A place in a text, both from 1; columns count UTF-16 units. */
export interface TextPlace {
  readonly line: number
  readonly column: number
}

/** The place of the character at `index`. Behind the end, blanks there apart, it is the place behind the last character that says something. */
export function placeAt(text: string, index: number): TextPlace {
  const at = index < text.length ? index : text.trimEnd().length
  const before = text.slice(0, at)
  return { line: before.split('\n').length, column: at - before.lastIndexOf('\n') }
}

/** "line 3, column 14" */
export function inWords({ line, column }: TextPlace): string {
  return `line ${line}, column ${column}`
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** The text of bytes that must be UTF-8, without a byte order mark. @throws ConsentryError `malformed` with the place of the first that is not */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    const place = inWords(firstForeign(bytes))
    throw new ConsentryError(
      'malformed',
      `The document is not valid UTF-8 (${place}): JSON and XML are exchanged in UTF-8 only.`,
      { code: 'structure' },
    )
  }
}

const REPLACED = '\ufffd'
const REPLACED_BYTES = Buffer.from(REPLACED)

/** What is no character is read as U+FFFD; the first one that the bytes do not have themselves is what is looked for. */
function firstForeign(bytes: Uint8Array): TextPlace {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const text = buffer.toString('utf8')
  let from = 0
  let offset = 0
  for (let at = text.indexOf(REPLACED); at >= 0; at = text.indexOf(REPLACED, from)) {
    offset += Buffer.byteLength(text.slice(from, at))
    if (!buffer.subarray(offset, offset + REPLACED_BYTES.length).equals(REPLACED_BYTES)) return placeAt(text, at)
    offset += REPLACED_BYTES.length
    from = at + 1
  }
  return placeAt(text, text.length)
}

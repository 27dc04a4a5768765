/** Why a text is not well-formed, in words of ours, and where. */
export interface NotWellFormed {
  readonly reason: string
  readonly index: number
}

/** What saxes says, without the names and values that it quotes, and what it means. */
const REASONS: readonly (readonly [says: RegExp, reason: string])[] = [
  [/^unclosed tag/, 'an element is not closed; it needs its end tag, or /> in place of >'],
  [/^unexpected end/, 'it ends inside of a tag, a comment or the like'],
  [/^document must contain a root element/, 'it is empty; an element for a resource is expected'],
  [/^unexpected close tag|^unmatched closing tag/, 'this end tag closes another element than the one that is open'],
  [/^weird empty close tag/, 'an end tag names the element that it closes'],
  [/^documents may contain only one root/, 'nothing but one element may stand in it'],
  [/^text data outside of root node/, 'text stands outside of the element; < is expected'],
  [/^duplicate attribute/, 'an attribute is there twice; each may stand once in a tag'],
  [/^attribute without value/, 'an attribute has no value; write name="value"'],
  [/^unquoted attribute value/, 'the value of an attribute must stand in quotes'],
  [/^no whitespace between attributes/, 'a space is expected between attributes'],
  [/^disallowed character in attribute name/, 'the name of an attribute, > or /> is expected'],
  [/^disallowed character in (?:tag name|closing tag)/, 'this character may not stand in the name of an element'],
  [/^forward-slash in opening tag/, '> is expected after /'],
  [
    /^undefined entity/,
    'only &lt; &gt; &amp; &quot; &apos; and numbers of characters are known; write the character itself',
  ],
  [/entity name/, '& begins a reference to a character; for & itself write &amp;'],
  [/^malformed character entity/, 'a number of a character is written as in &#233; or &#xe9;'],
  [/^unbound namespace prefix|prefix/, 'a prefix must be declared with xmlns and stand for a namespace'],
  [/^malformed comment/, '-- may stand in a comment at its end only, as -->'],
  [/^the string "\]\]>"/, ']]> may not stand in text; write ]]&gt;'],
  [
    /XML declaration|^version number|^encoding value|^standalone/,
    'the declaration is <?xml version="1.0" encoding="UTF-8"?> at its very beginning',
  ],
  [/^incorrect syntax/, 'after <! a comment is expected, <!-- ... -->'],
  [/^disallowed character/, 'this character may not stand here; < in text and values is written &lt;'],
]

const AT_END = /^(?:unclosed tag|unexpected end|document must contain)/
const AMPERSAND = 'disallowed character in entity name'
/** An ampersand that begins no reference; or what begins a comment or the like, in which it may stand. */
const STRAY = /&(?!(?:[A-Za-z_:][\w.:-]*|#[0-9]+|#x[0-9a-fA-F]+);)|<!/g

/**
 * @param said the message of saxes, `line:column: text`, which may quote the document
 * @param index of the character that saxes has read last
 * @param understood index behind the last that it has told of
 */
export function whyNotWellFormed(said: string, index: number, text: string, understood: number): NotWellFormed {
  const message = said.replace(/^(?:[^:]*:)?\d+:\d+:\s*/, '')
  const atEnd = AT_END.test(message)
  // saxes looks for the end of a reference as far as there is text
  if (atEnd || message.includes('entity')) {
    STRAY.lastIndex = understood
    const stray = STRAY.exec(text)
    if (stray?.[0] === '&') return { reason: reasonOf(AMPERSAND), index: stray.index }
  }
  return { reason: reasonOf(message), index: atEnd ? text.length : index }
}

function reasonOf(message: string): string {
  return REASONS.find(([says]) => says.test(message))?.[1] ?? 'what stands here is none'
}

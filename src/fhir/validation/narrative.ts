import { decodeEntities, hasForeignEntity } from '../xml-text.js'

/**
 * The XHTML of a Narrative, https://hl7.org/fhir/R4/narrative.html and invariants txt-1 and txt-2: well-formed,
 * only formatting elements and attributes, nothing active. Stricter than XML where a browser that reads the text as
 * HTML would see other markup than an XML parser: no CDATA, no processing instructions, no comment that begins
 * with `>` or `->`.
 */

const ELEMENTS = new Set(
  (
    'a abbr acronym b big blockquote br caption cite code col colgroup dd dfn div dl dt em h1 h2 h3 h4 h5 h6 hr i ' +
    'img li ol p pre q samp small span strong sub sup table tbody td tfoot th thead tr tt ul var'
  ).split(' '),
)

const ATTRIBUTES = new Set(
  (
    'abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign char charoff charset ' +
    'cite class colspan compact coords dir frame headers height href hreflang hspace id lang longdesc name nowrap ' +
    'rel rev rowspan rules scope shape span src start style summary tabindex title type valign value vspace width ' +
    // not in the list of txt-1, but declared by XML itself
    'xml:lang xml:space xml:id'
  ).split(' '),
)

const XHTML = 'http://www.w3.org/1999/xhtml'
const TAG = /<(\/?)([A-Za-z][A-Za-z0-9:._-]*)((?:\s+[A-Za-z_][A-Za-z0-9:._-]*\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>/y
const ATTRIBUTE = /([A-Za-z_][A-Za-z0-9:._-]*)\s*=\s*(?:"([^"]*)"|'([^']*)')/g
const COMMENT = /<!--(?!-?>)(?:[^-]|-(?!-))*-->/y
const ACTIVE_URL = /^(?:javascript:|vbscript:|data:(?!image\/(?:png|jpeg|gif|bmp|webp)[;,]))/i
const ACTIVE_STYLE = /expression\s*\(|javascript:|behaviou?r\s*:|-moz-binding|@import/i

/** What is wrong with the XHTML of `Narrative.div`, or undefined. Never quotes its text. */
export function narrativeFault(div: string): string | undefined {
  const open: string[] = []
  let visible = false
  let at = /^\s*/.exec(div)?.[0].length ?? 0
  const end = div.trimEnd().length
  if (!div.startsWith('<div', at)) return 'must be XHTML with a single div element as its root.'
  while (at < end) {
    if (div.charCodeAt(at) !== 0x3c) {
      const next = div.indexOf('<', at)
      const text = div.slice(at, next < 0 ? end : next)
      if (hasForeignEntity(text))
        return 'only the entities of XML may be used (&lt; &gt; &amp; &quot; &apos; and numeric ones).'
      visible ||= text.trim() !== ''
      at += text.length
      continue
    }
    COMMENT.lastIndex = at
    if (COMMENT.test(div)) {
      at = COMMENT.lastIndex
      continue
    }
    TAG.lastIndex = at
    const tag = TAG.exec(div)
    if (tag === null)
      return `is not well-formed XHTML at character ${at + 1} (tags, quoted attributes and comments only).`
    const [, closing, name = '', attributes = '', selfClosing] = tag
    at = TAG.lastIndex
    if (closing === '/') {
      if (attributes !== '' || selfClosing !== '' || open.pop() !== name) return `has a </${name}> that closes nothing.`
      if (open.length === 0 && at < end) return 'must have nothing after the closing </div>.'
      continue
    }
    if (!ELEMENTS.has(name)) return `must not hold the element <${name.slice(0, 30)}> (txt-1: basic formatting only).`
    const fault = attributesFault(name, attributes, open.length === 0)
    if (fault !== undefined) return fault
    visible ||= name === 'img' && /\ssrc\s*=/.test(attributes)
    if (selfClosing === '') open.push(name)
    else if (open.length === 0 && at < end) return 'must have nothing after the root <div/>.'
  }
  if (open.length > 0) return `has a <${open.at(-1)}> that is not closed.`
  return visible ? undefined : 'must have some content that is not white space (txt-2).'
}

function attributesFault(element: string, attributes: string, root: boolean): string | undefined {
  let namespace = false
  if (attributes !== '') {
    const seen = new Set<string>()
    for (const [, name = '', double, single] of attributes.matchAll(ATTRIBUTE)) {
      const value = double ?? single ?? ''
      if (seen.has(name)) return `has the attribute ${name} twice on one <${element}>.`
      seen.add(name)
      if (hasForeignEntity(value)) return 'only the entities of XML may be used in attributes.'
      if (name === 'xmlns') {
        if (value !== XHTML) return `must declare no other namespace than ${XHTML}.`
        namespace = true
      } else if (!ATTRIBUTES.has(name)) {
        return `must not hold the attribute ${name.slice(0, 30)} on <${element}> (txt-1: basic formatting only).`
      } else if (isActive(name, decodeEntities(value)))
        return `must not hold active content in ${name} of <${element}>.`
    }
  }
  return root && !namespace ? `must declare xmlns="${XHTML}" on its root div.` : undefined
}

function isActive(attribute: string, value: string): boolean {
  if (attribute === 'style') return ACTIVE_STYLE.test(value)
  if (attribute !== 'href' && attribute !== 'src' && attribute !== 'cite' && attribute !== 'longdesc') return false
  // browsers skip white space and control characters inside of a scheme
  return ACTIVE_URL.test(value.replace(/[^\x21-\x7e]/g, ''))
}

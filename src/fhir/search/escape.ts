import { Refusal } from './refusal.js'

/** Splits at every separator that has no `\` before it (https://hl7.org/fhir/R4/search.html#escaping). */
export function splitEscaped(text: string, separator: ',' | '$' | '|'): string[] {
  if (!text.includes(separator)) return [text]
  const parts: string[] = []
  let start = 0
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === separator) {
      parts.push(text.slice(start, i))
      start = i + 1
    }
  }
  parts.push(text.slice(start))
  return parts
}

/** Takes away the escapes. "The parameter value `xx\xx` is illegal." */
export function unescape(text: string): string {
  if (!text.includes('\\')) return text
  if (/\\(?![,$|\\])/.test(text.replaceAll('\\\\', ''))) {
    throw new Refusal('value', 'a backslash must be followed by one of , $ | \\ which it escapes')
  }
  return text.replace(/\\([,$|\\])/g, '$1')
}

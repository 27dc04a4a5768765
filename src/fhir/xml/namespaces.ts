export const FHIR_NAMESPACE = 'http://hl7.org/fhir'
export const XHTML_NAMESPACE = 'http://www.w3.org/1999/xhtml'

/** A narrative that took its namespace from outside would mean nothing alone. */
export function withNamespace(div: string): string {
  return /^<div[^>]*\sxmlns\s*=/.test(div) ? div : div.replace(/^<div/, `<div xmlns="${XHTML_NAMESPACE}"`)
}

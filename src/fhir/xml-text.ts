/** Entities that XML itself defines, and numeric ones; HTML's (`&nbsp;`) are not among them. */
const ENTITY = /&(?:(?:lt|gt|amp|quot|apos|#[0-9]+|#x[0-9a-fA-F]+);)?/g

const NAMED: Readonly<Record<string, string>> = { '&lt;': '<', '&gt;': '>', '&amp;': '&', '&quot;': '"', '&apos;': "'" }

/** True if an ampersand starts anything but an entity of XML. */
export function hasForeignEntity(text: string): boolean {
  if (!text.includes('&')) return false
  for (const [entity] of text.matchAll(ENTITY)) if (entity === '&') return true
  return false
}

/** The text that XML text or an attribute value stands for. */
export function decodeEntities(text: string): string {
  if (!text.includes('&')) return text
  return text.replace(ENTITY, (entity) => {
    if (entity === '&') return entity
    const named = NAMED[entity]
    if (named !== undefined) return named
    const code = entity.startsWith('&#x') ? Number.parseInt(entity.slice(3), 16) : Number.parseInt(entity.slice(2), 10)
    return code <= 0x10ffff ? String.fromCodePoint(code) : ''
  })
}

/** An attribute value for double quotes. */
export function encodeAttribute(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;')
}

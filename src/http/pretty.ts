/**
 * Indents JSON text by two spaces for `_pretty=true` without parsing it: parsing would turn 1.50 into 1.5.
 * The text must be valid JSON; strings, numbers and literals stay as they are, character for character.
 */
export function indentJson(text: string): string {
  const parts: string[] = []
  let depth = 0
  const line = () => `\n${'  '.repeat(depth)}`
  const token = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gsu
  let opened = false
  for (const [piece] of text.matchAll(token)) {
    if (piece === '}' || piece === ']') {
      depth -= 1
      parts.push(opened ? piece : `${line()}${piece}`)
      opened = false
      continue
    }
    if (opened) parts.push(line())
    opened = piece === '{' || piece === '['
    if (opened) depth += 1
    if (piece === ',') parts.push(`,${line()}`)
    else parts.push(piece === ':' ? ': ' : piece)
  }
  return parts.join('')
}

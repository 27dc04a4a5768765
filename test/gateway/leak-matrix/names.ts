import { randomBytes, randomUUID } from 'node:crypto'
import type { Named } from './write-doors.js'

/** What is hidden is called so in requests. */
export const namesOfHidden = ({ auditEvent, provenance, ledgerId }: Named): string[] => [
  ...['hidden', 'veiled'],
  ...[auditEvent, provenance, ledgerId],
]

/** Names of what has never been, each asked for once: what is written under one is there afterwards. */
export function absentNames({ auditEvent, provenance, ledgerId }: Named): Record<string, string> {
  const name = (): string => randomBytes(3).toString('hex')
  return {
    hidden: name(),
    veiled: name(),
    [auditEvent]: randomUUID(),
    [provenance]: randomUUID(),
    [ledgerId]: `0x${randomBytes(32).toString('hex')}`,
  }
}

/** Without the names that were asked for, the ids that the server gave, and the time. */
export function nameless(said: string, names: readonly string[]): string {
  let text = said
  for (const name of names) text = text.replaceAll(name, '<named>')
  return text
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}/g, '<given>')
    .replaceAll(/"(lastUpdated|lastModified)":"[^"]+"/g, '"$1":"…"')
    .replaceAll(/^last-modified: .*$/gm, 'last-modified: …')
}

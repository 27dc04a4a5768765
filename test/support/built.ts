import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Compiled code for tests that start processes of their own; `npm test` builds it first. */
export function built(module: string): string {
  const path = fileURLToPath(new URL(`../../dist/src/${module}`, import.meta.url))
  if (!existsSync(path)) throw new Error(`${path} is missing: run npm run build first.`)
  return path
}

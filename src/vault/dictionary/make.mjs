/**
 * Makes a compression dictionary from invented FHIR R4 JSON: `node src/vault/dictionary/make.mjs <id>` writes
 * dictionary-<id>.ts beside this file. Needs the `zstd` command (1.5). Never run it for an id that has been released:
 * envelopes name the id, and what it stands for must not change.
 *
 * Shapes: elements and codes of the R4 specification and of the code systems that it binds, values from a seeded
 * generator. No record of anybody is in it.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, URL } from 'node:url'
import { SHAPES } from './shapes.mjs'

const BYTES = 12 * 1024
const SAMPLES = 6000

/** mulberry32: the same samples for the same seed, everywhere. */
function generator(seed) {
  let a = seed
  return () => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const id = Number(process.argv[2])
if (!Number.isInteger(id) || id < 1) throw new Error('Say which dictionary: node src/vault/dictionary/make.mjs <id>')
const directory = mkdtempSync(join(tmpdir(), 'consentry-dictionary-'))
try {
  const random = generator(id)
  for (let i = 0; i < SAMPLES; i++) {
    const sample = JSON.stringify(SHAPES[Math.floor(random() * SHAPES.length)](random))
    writeFileSync(join(directory, `${String(i).padStart(5, '0')}.json`), sample)
  }
  const trained = join(directory, 'trained')
  execFileSync('zstd', ['-q', '--train', '-r', directory, `--maxdict=${BYTES}`, '--dictID', String(32768 + id), '-o', trained])
  const base64 = readFileSync(trained).toString('base64')
  const lines = base64.match(/.{1,110}/g).map((line) => `  '${line}'`)
  writeFileSync(
    fileURLToPath(new URL(`dictionary-${id}.ts`, import.meta.url)),
    `/** Zstandard dictionary ${id} (RFC 8878, section 5), made by make.mjs. Released: it never changes. */\n` +
      `export const DICTIONARY_${id} = Buffer.from(\n${lines.join(' +\n  ').replace(/^ {4}/gm, '    ')},\n  'base64',\n)\n`,
  )
} finally {
  rmSync(directory, { recursive: true })
}

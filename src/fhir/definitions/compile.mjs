import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { writeBase } from './compile-base.mjs'
import { compileCompartments, compilePatientCompartment } from './compile-compartments.mjs'
import { compileProfiles, compileTerminology } from './compile-conformance.mjs'
import { compileStructures } from './compile-structures.mjs'
import { compileSummary } from './compile-summary.mjs'
import { compileValueSets } from './compile-value-sets.mjs'
import { Source } from './source.mjs'

/**
 * `npm run generate:fhir`: turns the R4 definitions into the compact tables of `generated/fhir/`, which the
 * gateway loads in milliseconds. Skipped when neither the package nor these scripts changed.
 */
const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, '..', '..', '..')
const folder = join(root, 'node_modules', 'hl7.fhir.r4.examples')
const out = join(root, 'generated', 'fhir')

const search = join(here, 'compile-search.mjs')
const outputs = [
  'structures.json',
  'value-sets.json',
  'patient-compartment.json',
  'compartments.json',
  'profiles.json',
  'terminology.json',
  'summary.json',
  'base.json',
  'base.bin',
]
if (existsSync(search)) outputs.push('search.json')

/** Read by the running gateway too. */
const SHARED = ['definition-paths.ts', 'expression.ts']
const stamp = join(out, 'inputs.sha256')
const digest = digestOfInputs()
const upToDate =
  existsSync(stamp) && readFileSync(stamp, 'utf8') === digest && outputs.every((name) => existsSync(join(out, name)))
if (!upToDate) await compile()

async function compile() {
  const started = performance.now()
  mkdirSync(out, { recursive: true })
  const source = new Source(folder)
  const structures = compileStructures(source)
  write('structures.json', structures)
  write('value-sets.json', compileValueSets(source, structures))
  write('patient-compartment.json', compilePatientCompartment(source))
  write('compartments.json', compileCompartments(source))
  write('profiles.json', compileProfiles(source))
  write('terminology.json', compileTerminology(source))
  write('summary.json', compileSummary(source, structures.resources))
  writeBase(source, out)
  if (existsSync(search)) (await import('./compile-search.mjs')).writeSearch(folder, out)
  writeFileSync(stamp, digest)
  console.log(`FHIR definitions compiled in ${Math.round(performance.now() - started)} ms: generated/fhir`)
}

function write(name, table) {
  writeFileSync(join(out, name), JSON.stringify(table))
}

/** The package never changes within a version (the lock file pins its content), so its manifest stands for it. */
function digestOfInputs() {
  const hash = createHash('sha256').update(readFileSync(join(folder, 'package.json')))
  const scripts = readdirSync(here, { recursive: true }).filter((name) => name.endsWith('.mjs'))
  for (const name of scripts.sort()) hash.update(name).update(readFileSync(join(here, name)))
  for (const name of SHARED) hash.update(name).update(readFileSync(join(here, '..', 'search', name)))
  return hash.digest('hex')
}

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseJson } from '../../src/fhir/json.js'
import { Profiles } from '../../src/fhir/profiles.js'
import type { Resource } from '../../src/fhir/types.js'
import { validate } from '../../src/fhir/validate.js'
import { parseXml } from '../../src/fhir/xml.js'
import { hasSharedData, SHARED_DATA } from '../support/shared-data.js'
import { OTHERWISE } from './validation-cases-otherwise.js'

/**
 * The validator cases of FHIR/fhir-test-cases against what the HL7 Java validator and Firely said: valid or not. Each
 * case runs with the options of its manifest, as those validators ran it.
 */
const FOLDER = join(SHARED_DATA, 'validator-cases')
const MODULES = ['general', 'bundle', 'references', 'fmt', 'invariants', 'xhtml', 'security']

interface Manifest {
  readonly 'test-cases': readonly {
    readonly name: string
    readonly supporting?: readonly string[]
    readonly profiles?: readonly string[]
    readonly 'security-checks'?: boolean
    readonly validateReference?: string
    /** A profile for one kind of entry: `Patient:0` is the first Patient. */
    readonly 'bundle-param'?: { readonly rule: string; readonly profile: string }
  }[]
}
type Options = Manifest['test-cases'][number]

interface Case {
  readonly name: string
  readonly module: string
  readonly invalid: { readonly java: boolean | undefined; readonly firely: boolean | undefined; readonly ours: boolean }
}

function read(file: string): Resource {
  const bytes = readFileSync(join(FOLDER, file))
  return (file.endsWith('.xml') ? parseXml(bytes) : parseJson(bytes)) as unknown as Resource
}

function cases(): Case[] {
  const manifest = JSON.parse(readFileSync(join(FOLDER, 'manifest.json'), 'utf8')) as Manifest
  const options = new Map(manifest['test-cases'].map((one) => [one.name, one]))
  const [, ...rows] = readFileSync(join(FOLDER, 'expected-summary.tsv'), 'utf8').trim().split('\n')
  return rows.flatMap((row): Case[] => {
    const [name = '', file = '', module = '', , java = '', firely = ''] = row.split('\t')
    if (!MODULES.includes(module) || !existsSync(join(FOLDER, file))) return []
    const verdict = (errors: string): boolean | undefined => (errors === '' ? undefined : Number(errors) > 0)
    const ours = refuses(file, options.get(name) ?? { name })
    return [{ name, module, invalid: { java: verdict(java), firely: verdict(firely), ours } }]
  })
}

function refuses(file: string, options: Options): boolean {
  const profiles = new Profiles([...(options.supporting ?? []), ...(options.profiles ?? [])].map(read))
  let parsed: Resource
  try {
    parsed = read(file)
  } catch {
    return true
  }
  const { resource } = validate(parsed, { markup: options['security-checks'] === true ? 'refuse' : 'allow' })
  if (resource === undefined) return true
  const targets = options.validateReference === 'CHECK_EXISTS_AND_TYPE' ? 'must-exist' : 'may-dangle'
  return profiles.judge(resource, { targets }).length > 0 || refusesEntry(resource, options, profiles)
}

function refusesEntry(bundle: Resource, { 'bundle-param': asked }: Options, profiles: Profiles): boolean {
  const [type, at] = asked?.rule.split(':') ?? []
  const entries = (bundle['entry'] ?? []) as readonly { readonly resource: Resource }[]
  const chosen = entries.map(({ resource }) => resource).filter(({ resourceType }) => resourceType === type)[Number(at)]
  const valid = validate(chosen).resource
  return valid !== undefined && profiles.judge(valid, { profiles: [asked?.profile ?? ''] }).length > 0
}

describe.skipIf(!hasSharedData)('validator cases (needs ../shared/data)', () => {
  const all = hasSharedData ? cases() : []
  const withJava = all.filter(({ invalid }) => invalid.java !== undefined)
  const differing = withJava.filter(({ invalid }) => invalid.java !== invalid.ours).map(({ name }) => name)

  it('are judged as the Java validator does, but for the listed reasons', () => {
    const lines = MODULES.map((module) => {
      const of = withJava.filter((one) => one.module === module)
      return `${module}: ${of.filter(({ invalid }) => invalid.java === invalid.ours).length} of ${of.length}`
    })
    process.stdout.write(
      `validator cases, agreement with Java ${withJava.length - differing.length} of ${withJava.length} (${lines.join(', ')})\n`,
    )
    expect(differing.sort()).toEqual(Object.keys(OTHERWISE).sort())
    // 66 rows have an outcome of the Java validator; of one the file is not there
    expect(withJava.length - differing.length).toBeGreaterThanOrEqual(0.8 * 66)
  })

  it('are judged as both validators do where those agree', () => {
    const agreed = all.filter(({ invalid }) => invalid.java !== undefined && invalid.java === invalid.firely)
    expect(agreed.length).toBeGreaterThan(12)
    expect(agreed.filter(({ invalid }) => invalid.java !== invalid.ours).map(({ name }) => name)).toEqual([])
  })
})

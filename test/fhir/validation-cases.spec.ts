import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseJson } from '../../src/fhir/json.js'
import { validate } from '../../src/fhir/validate.js'
import { hasSharedData, SHARED_DATA } from '../support/shared-data.js'

/**
 * The validator cases of FHIR/fhir-test-cases against what the HL7 Java validator and Firely said: valid or not.
 * A gauge, not a gate: the figures are printed, and only a loss is an error. XML cases wait for XML.
 */
const FOLDER = join(SHARED_DATA, 'validator-cases')
const MODULES = ['general', 'bundle', 'references', 'fmt', 'invariants', 'xhtml', 'security']

interface Case {
  readonly name: string
  readonly module: string
  readonly invalid: { readonly java: boolean | undefined; readonly firely: boolean | undefined; readonly ours: boolean }
}

function cases(): Case[] {
  const [, ...rows] = readFileSync(join(FOLDER, 'expected-summary.tsv'), 'utf8').trim().split('\n')
  return rows.flatMap((row): Case[] => {
    const [name = '', file = '', module = '', , java = '', firely = ''] = row.split('\t')
    if (!MODULES.includes(module) || !file.endsWith('.json') || !existsSync(join(FOLDER, file))) return []
    const verdict = (errors: string): boolean | undefined => (errors === '' ? undefined : Number(errors) > 0)
    const ours = refuses(readFileSync(join(FOLDER, file)))
    return [{ name, module, invalid: { java: verdict(java), firely: verdict(firely), ours } }]
  })
}

function refuses(bytes: Uint8Array): boolean {
  try {
    return validate(parseJson(bytes)).resource === undefined
  } catch {
    return true
  }
}

/** Why we say otherwise than the Java validator. */
const OTHERWISE: Record<string, string> = {
  'pat-security-bad-string': 'HTML in a string: an option of that validator, not a rule of R4',
  'parameters-reference-bad': 'the target of a reference in Parameters need not be there',
  'bundle-id-5': 'display names of CVX (terminology)',
  'contained-resource-bad-id-ignore': 'same file as contained-resource-bad-id, with the rule switched off',
  'no.gastronet': 'SNOMED CT codes and a value set of a package',
  'encounter-period': 'per-1 on a date and a time of the same day: the start is not after the end',
  mimic: 'value sets of a package',
  'ips-nz-pj': 'display names of LOINC (terminology)',
  'ips-htmlrefs-backwards': 'definition of an extension of a package',
}

describe.skipIf(!hasSharedData)('validator cases (needs ../shared/data)', () => {
  it('are judged as the Java validator does, but for the listed reasons', () => {
    const all = cases()
    const withJava = all.filter(({ invalid }) => invalid.java !== undefined)
    const lines = MODULES.map((module) => {
      const of = withJava.filter((one) => one.module === module)
      return `${module}: ${of.filter(({ invalid }) => invalid.java === invalid.ours).length} of ${of.length}`
    })
    const differing = withJava.filter(({ invalid }) => invalid.java !== invalid.ours).map(({ name }) => name)
    process.stdout.write(
      `validator cases in JSON, agreement with Java ${withJava.length - differing.length} of ${withJava.length} (${lines.join(', ')})\n`,
    )
    expect(differing.sort()).toEqual(Object.keys(OTHERWISE).sort())
  })

  it('are judged as both validators do where those agree', () => {
    const agreed = cases().filter(({ invalid }) => invalid.java !== undefined && invalid.java === invalid.firely)
    const differing = agreed.filter(({ invalid }) => invalid.java !== invalid.ours)
    process.stdout.write(
      `of ${agreed.length} cases where Java and Firely agree, ${agreed.length - differing.length} are judged likewise\n`,
    )
    // needs the resolution of a reference that R4 does not demand
    expect(differing.map(({ name }) => name)).toEqual(['parameters-reference-bad'])
  })
})

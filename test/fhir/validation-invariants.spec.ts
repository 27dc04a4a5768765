import { createRequire } from 'node:module'
import fhirpath from 'fhirpath'
import { describe, expect, it } from 'vitest'
import { structures } from '../../src/fhir/definitions/structures.js'
import { type JsonObject, parseJson, stringify } from '../../src/fhir/json.js'
import { compileTest } from '../../src/fhir/validation/fhirpath/compile.js'
import { UnsupportedExpression } from '../../src/fhir/validation/fhirpath/parse.js'
import { exampleNames, readExample } from '../support/r4-package.js'

const model = createRequire(import.meta.url)('fhirpath/fhir-context/r4') as fhirpath.Model
const { types, constraints } = structures()

/** The reference engine cannot run these: they resolve, compare with a lost import, or use regexes that `u` refuses. */
const BEYOND_REFERENCE = new Set(['ctm-1', 'ras-1', 'eld-16', 'eld-19', 'eld-20', 'txt-1', 'txt-2'])
/** Where we read the expression as its authors meant it, see compile.ts. */
const DEPARTURES = new Set(['bdl-8', 'ras-2', 'que-7', 'per-1', 'rng-2', 'mdd-1'])

interface Subject {
  readonly value: unknown
  /** Path of the definition that the value is an instance of, as the reference engine wants it. */
  readonly base: string
  readonly rules: readonly number[]
}

/** Every value in a resource that invariants are about. */
function* subjects(value: unknown, type: string): Generator<Subject> {
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) {
    for (const item of value) yield* subjects(item, type)
    return
  }
  yield { value, base: type, rules: types[type]?.rules ?? [] }
  for (const [name, , , elementTypes] of types[type]?.elements ?? []) {
    for (const elementType of elementTypes) {
      const code = typeof elementType === 'string' ? elementType.replace(/^#|^Simple/, '') : elementType[0]
      const property = name.endsWith('[x]') ? name.slice(0, -3) + code.charAt(0).toUpperCase() + code.slice(1) : name
      if (code !== 'Resource') yield* subjects((value as JsonObject)[property], code)
    }
  }
}

/** Each resource as it is, and once without each of its elements, so that invariants fail as well. */
function* variants(resource: JsonObject): Generator<JsonObject> {
  yield resource
  for (const key of Object.keys(resource)) {
    if (key === 'resourceType') continue
    const { [key]: _, ...rest } = resource
    yield rest
    const [first] = Array.isArray(resource[key]) ? resource[key] : [resource[key]]
    if (typeof first !== 'object' || first === null) continue
    for (const inner of Object.keys(first)) {
      const { [inner]: __, ...part } = first as JsonObject
      yield { ...resource, [key]: Array.isArray(resource[key]) ? [part, ...resource[key].slice(1)] : part }
    }
  }
}

describe('compiled invariants', () => {
  it('judge as the FHIRPath reference engine does, on official examples with and without each element', () => {
    const reference = new Map<string, ReturnType<typeof fhirpath.compile>>()
    const judged = { true: 0, false: 0 }
    for (const name of exampleNames(1)) {
      const plain = JSON.parse(stringify(readExample(name))) as JsonObject
      for (const resource of variants(plain)) {
        for (const { value, base, rules } of subjects(resource, resource['resourceType'] as string)) {
          for (const rule of rules) {
            const [key = '', , , expression = ''] = constraints[rule] ?? []
            if (/^(ele|dom|ref)-/.test(key) || BEYOND_REFERENCE.has(key) || DEPARTURES.has(key)) continue
            const env = { context: value, resource, rootResource: resource }
            const ours = compileTest(expression)(value, { ...env, spend: () => {} }) === true
            const id = `${base} ${rule}`
            const evaluate = reference.get(id) ?? fhirpath.compile({ base, expression }, model, { traceFn: () => {} })
            reference.set(id, evaluate)
            const theirs = evaluate(value, { ...env, ucum: 'http://unitsofmeasure.org' }) as unknown[]
            expect(ours, `${name} ${base} ${key}: ${expression}`).toBe(theirs.length > 0 && theirs[0] !== false)
            judged[`${ours}`]++
          }
        }
      }
    }
    expect(judged.true).toBeGreaterThan(10_000)
    expect(judged.false).toBeGreaterThan(100)
  })
})

describe('compileTest', () => {
  const test = (expression: string, value: string): boolean | undefined =>
    compileTest(expression)(parseJson(value), { context: 1, resource: 1, rootResource: 1, spend: () => {} })

  it.each<[string, string, boolean | undefined]>([
    ['a and b', '{"a":true}', undefined],
    ['a and b', '{"a":false}', false],
    ['a or b', '{"b":true}', true],
    ['a or b', '{"b":false}', undefined],
    ['a implies b', '{"a":false}', true],
    ['a implies b', '{}', undefined],
    ['a implies b', '{"b":true}', true],
    ['a xor b', '{"a":true,"b":false}', true],
    ['a.not()', '{}', undefined],
    ['a = b', '{"a":1.50,"b":1.5}', true],
    ['a = b', '{"a":[1,2],"b":[2,1]}', false],
    ['a != b', '{"a":{"x":1,"y":2},"b":{"y":2,"x":1}}', false],
    ['a <= b', '{"a":"2020","b":"2020-05"}', true],
    ['a < b', '{"a":"2020-06","b":"2020-05-31"}', false],
    ['a <= b', '{"a":"2020-05-01T00:00:00+02:00","b":"2020-04-30T23:00:00Z"}', true],
    ['a <= b', '{"a":{"value":2,"unit":"g"},"b":{"value":1,"unit":"kg"}}', true],
    ['a < b', '{"a":9,"b":10.0}', true],
    ['value.exists()', '{"valueQuantity":{"value":1}}', true],
    ['value.exists()', '{"valueSet":"x"}', false],
    ['value.exists()', '{"_valueString":{"id":"x"}}', true],
    ['value.hasValue()', '{"_valueString":{"id":"x"}}', false],
    ['(a | b).count() = 1', '{"_a":{"id":"x"}}', true],
    ['a.hasValue()', '{"_a":{"id":"x"}}', false],
    ['a.count() = 2', '{"a":["x",null],"_a":[null,{"id":"x"}]}', true],
    ['a.where(hasValue()).count() = 1', '{"a":["x",null],"_a":[null,{"id":"x"}]}', true],
    ['value is Quantity', '{"valueQuantity":{"value":1}}', true],
    ['value is Quantity', '{"valueString":"x"}', false],
    ['(value as Quantity).value > 0', '{"valueQuantity":{"value":1}}', true],
    ['a.where(b = 1).c.first() = 2', '{"a":[{"b":0,"c":1},{"b":1,"c":2},{"b":1,"c":3}]}', true],
    ['a[1] = 2', '{"a":[1,2]}', true],
    ['a.all(b.exists())', '{}', true],
    ['a.isDistinct()', '{"a":[1,1.0]}', false],
    ['a.count() = 3 and a.tail().count() + 1 = 3', '{"a":[1,2,3]}', true],
    ["'x' in a", '{"a":["x","y"]}', true],
    ["a contains 'z'", '{"a":["x","y"]}', false],
    ['(a | b).count() = 1', '{"a":"x","b":"x"}', true],
    ["a & b = 'x'", '{"a":"x"}', true],
    ["a.matches('^[A-Z]$')", '{"a":"b"}', false],
    ["a.substring(1).startsWith('bc')", '{"a":"abcd"}', true],
    ['iif(a.exists(), a = 1, true)', '{}', true],
    ['a.toInteger() > 5', '{"a":"12"}', true],
    ['descendants().where($this = 5).exists()', '{"a":[{"b":{"c":5}}]}', true],
    ['`div`.exists()', '{"div":"x"}', true],
    ['{}.empty()', '{}', true],
  ])('%s of %s is %s', (expression, value, answer) => expect(test(expression, value)).toBe(answer))

  it.each(['a.aggregate($total + 1)', 'a ~ b', 'a.matches(b)', '%sct', 'a.', 'a =', '(a', "a 'b'"])(
    'says of %s that a full engine is needed',
    (expression) => expect(() => compileTest(expression)).toThrow(UnsupportedExpression),
  )
})

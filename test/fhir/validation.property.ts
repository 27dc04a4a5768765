import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ExactNumber, type JsonObject, type JsonValue, stringify, parseJson } from '../../src/fhir/json.js'
import { structures } from '../../src/fhir/definitions/structures.js'
import { validate } from '../../src/fhir/validate.js'
import { exampleNames, readExample } from '../support/r4-package.js'

const valid = exampleNames(1)
  .map((name) => readExample(name))
  .filter((resource) => validate(resource).resource !== undefined)
const example = fc.constantFrom(...valid).map((resource) => parseJson(stringify(resource)) as JsonObject)

/** A place in a document: the object or array that holds it and the key. */
type Place = readonly [holder: JsonObject | JsonValue[], key: string | number]

function places(value: JsonValue, found: Place[] = []): Place[] {
  if (typeof value !== 'object' || value === null || value instanceof ExactNumber) return found
  const entries: [string | number, JsonValue][] = Array.isArray(value) ? [...value.entries()] : Object.entries(value)
  for (const [key, item] of entries) {
    found.push([value, key])
    places(item, found)
  }
  return found
}

const at = ([holder, key]: Place): JsonValue => (holder as JsonObject)[key] as JsonValue
function put([holder, key]: Place, value: JsonValue): void {
  ;(holder as JsonObject)[key] = value
}

/** Changes after which a valid resource cannot be valid any more, with the places where each applies. */
const BREAKING: Record<string, { applies: (place: Place) => boolean; change: (place: Place) => void }> = {
  'an unknown name': {
    applies: ([holder]) => !Array.isArray(holder),
    change: (place) => {
      const [holder, key] = place as [JsonObject, string]
      holder[`${key}Zz`] = at(place)
      Reflect.deleteProperty(holder, key)
    },
  },
  'an array for one': {
    applies: (place) => !Array.isArray(place[0]) && !Array.isArray(at(place)),
    change: (place) => put(place, [at(place)]),
  },
  'one for an array': {
    applies: (place) => Array.isArray(at(place)),
    change: (place) => put(place, (at(place) as JsonValue[])[0] as JsonValue),
  },
  'an empty array': { applies: (place) => Array.isArray(at(place)), change: (place) => put(place, []) },
  'an empty object': { applies: () => true, change: (place) => put(place, {}) },
  'a null': { applies: ([holder]) => !Array.isArray(holder), change: (place) => put(place, null) },
  'an empty string': { applies: () => true, change: (place) => put(place, '') },
  'a string for a number': {
    applies: (place) => typeof at(place) === 'number',
    change: (place) => put(place, at(place) === true ? 'true' : 'false'),
  },
  'a string for a boolean': {
    applies: (place) => typeof at(place) === 'boolean',
    change: (place) => put(place, at(place) === true ? 'true' : 'false'),
  },
  'a string for an object': {
    applies: (place) => typeof at(place) === 'object' && !(at(place) instanceof ExactNumber) && at(place) !== null,
    change: (place) => put(place, 'x'),
  },
}

describe('validate', () => {
  it('starts from examples of nearly all types', () => expect(valid.length).toBeGreaterThan(110))

  for (const [name, { applies, change }] of Object.entries(BREAKING)) {
    it(`refuses a valid resource with ${name} anywhere`, () => {
      fc.assert(
        fc.property(example, fc.nat(), (resource, pick) => {
          const candidates = places(resource).filter(applies)
          fc.pre(candidates.length > 0)
          change(candidates[pick % candidates.length] as Place)
          const { issues, resource: accepted } = validate(resource)
          expect(accepted).toBeUndefined()
          expect(issues[0]?.diagnostics).toMatch(/\.$/)
        }),
        { numRuns: 150 },
      )
    })
  }

  it('never throws, whatever is put anywhere into a resource', () => {
    fc.assert(
      fc.property(example, fc.nat(), fc.jsonValue({ maxDepth: 4 }), (resource, pick, value) => {
        const candidates = places(resource)
        put(candidates[pick % candidates.length] as Place, value as JsonValue)
        const { issues, resource: accepted } = validate(resource, { warnings: true })
        expect(accepted === undefined).toBe(issues.some((issue) => issue.severity === 'error'))
      }),
      { numRuns: 500 },
    )
  })

  it('never throws on arbitrary JSON, under any type and any element name', () => {
    const names = [...new Set(Object.values(structures().types).flatMap((type) => type.elements.map(([name]) => name)))]
    const object = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.jsonValue({ maxDepth: 1 }),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom('resourceType', ...names), tie('value'), { maxKeys: 5 }),
      ),
    })).value
    const resource = fc.tuple(
      fc.constantFrom(...structures().resources),
      fc.dictionary(fc.constantFrom(...names), object),
    )
    fc.assert(
      fc.property(resource, object, ([resourceType, elements], other) => {
        validate({ resourceType, ...elements })
        validate(other)
      }),
      { numRuns: 500 },
    )
  })

  it('does not change what it looks at, and judges the same twice', () => {
    fc.assert(
      fc.property(example, (resource) => {
        const before = stringify(resource)
        const first = validate(resource, { warnings: true })
        expect(validate(resource, { warnings: true })).toEqual(first)
        expect(stringify(resource)).toBe(before)
      }),
    )
  })
})

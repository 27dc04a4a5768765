import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ConsentryError } from '../../src/errors.js'
import { ExactNumber, type JsonObject, type JsonValue, parseJson, stringify } from '../../src/fhir/json.js'
import { applyJsonPatch } from '../../src/fhir/patch/json-patch.js'
import { hasSharedData, readSharedBytes } from '../support/shared-data.js'

interface Case {
  comment?: string
  doc: JsonObject
  patch: JsonValue
  expected?: JsonValue
  error?: string
  disabled?: boolean
}
const cases = hasSharedData
  ? (parseJson(readSharedBytes('patch', 'json-patch-tests.json')) as unknown as Case[]).filter((c) => !c.disabled)
  : []

describe.skipIf(!hasSharedData)('JSON Patch cases of FHIR (../shared/data is needed)', () => {
  it('are there', () => expect(cases.length).toBeGreaterThan(5))
  it.each(cases.map((c, i) => [`${i} ${c.comment ?? c.error ?? ''}`, c] as const))('%s', (_, c) => {
    if (c.error !== undefined) expect(() => applyJsonPatch(c.doc, c.patch)).toThrow(ConsentryError)
    else expect(applyJsonPatch(c.doc, c.patch)).toEqual(c.expected)
  })
})

describe('applyJsonPatch', () => {
  const doc = (): JsonObject => ({ a: { b: [1, 2, { c: 'x' }] }, n: new ExactNumber('1.50'), '~/': true })
  const patch = (...operations: JsonValue[]) => applyJsonPatch(doc(), operations)

  it('keeps every digit of what it leaves, moves, copies and adds', () => {
    const added = parseJson('[{"op":"add","path":"/m","value":2.500}]')
    expect(stringify(applyJsonPatch(doc(), added))).toContain('"m":2.500')
    expect(stringify(patch({ op: 'copy', from: '/n', path: '/a/d' }))).toContain('"d":1.50')
  })

  it('compares numbers by value and objects whatever their order', () => {
    expect(() => patch({ op: 'test', path: '/n', value: 1.5 })).not.toThrow()
    expect(() => patch({ op: 'test', path: '/n', value: new ExactNumber('15e-1') })).not.toThrow()
    expect(() => patch({ op: 'test', path: '/n', value: new ExactNumber('1.5000000000000000000001') })).toThrow(/test/)
    const object = { x: 1, y: 2 }
    expect(() => applyJsonPatch({ o: object }, [{ op: 'test', path: '/o', value: { y: 2, x: 1 } }])).not.toThrow()
  })

  it('leaves the document as it was, whether it succeeds or fails', () => {
    const document = doc()
    applyJsonPatch(document, [{ op: 'remove', path: '/a' }])
    expect(() =>
      applyJsonPatch(document, [
        { op: 'remove', path: '/a' },
        { op: 'test', path: '/n', value: 7 },
      ]),
    ).toThrow()
    expect(document).toEqual(doc())
  })

  it.each<[string, JsonValue, string, RegExp]>([
    ['no array', { op: 'add' }, 'malformed', /array/],
    ['an operation that is none', ['add'], 'malformed', /object/],
    ['an unknown op', [{ op: 'merge', path: '' }], 'malformed', /op must be/],
    ['no path', [{ op: 'remove' }], 'malformed', /JSON Pointer/],
    ['a path without slash', [{ op: 'remove', path: 'a' }], 'malformed', /JSON Pointer/],
    ['a broken escape', [{ op: 'remove', path: '/a~2' }], 'malformed', /JSON Pointer/],
    ['no value', [{ op: 'add', path: '/z' }], 'malformed', /value/],
    ['a leading zero', [{ op: 'remove', path: '/a/b/01' }], 'invalid', /leading zeros/],
    ['a place beyond the end', [{ op: 'add', path: '/a/b/4', value: 1 }], 'invalid', /nothing at this place/],
    ['a child of a string', [{ op: 'add', path: '/a/b/2/c/d', value: 1 }], 'invalid', /nothing at this place/],
    ['a move into itself', [{ op: 'move', from: '/a', path: '/a/b/0' }], 'invalid', /into itself/],
    ['a property of the prototype', [{ op: 'copy', from: '/constructor', path: '/z' }], 'invalid', /nothing/],
    ['__proto__', [{ op: 'add', path: '/__proto__', value: {} }], 'invalid', /name/],
    [
      'too many operations',
      Array.from({ length: 1001 }, () => ({ op: 'test', path: '', value: 1 })),
      'too-large',
      /1000/,
    ],
  ])('refuses %s', (_, operations, kind, message) => {
    let thrown: unknown
    try {
      applyJsonPatch(doc(), operations)
    } catch (error) {
      thrown = error
    }
    expect(thrown).toBeInstanceOf(ConsentryError)
    expect([(thrown as ConsentryError).kind, (thrown as ConsentryError).message]).toEqual([
      kind,
      expect.stringMatching(message),
    ])
  })

  it('stops a document that doubles with each operation', () => {
    const doubling = Array.from({ length: 40 }, (_, i) => ({ op: 'copy', from: '', path: `/x${i}` }))
    expect(() => patch(...doubling)).toThrow(/at most/)
  })

  it('undoes with the reverse patch what a patch did', () => {
    const value = fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<JsonValue>
    fc.assert(
      fc.property(fc.dictionary(fc.string(), value, { minKeys: 1 }), fc.string(), value, (document, key, added) => {
        fc.pre(key !== '__proto__' && !Object.hasOwn(document, key))
        const path = `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
        const patched = applyJsonPatch(document, [{ op: 'add', path, value: added }]) as JsonObject
        expect(patched[key]).toEqual(added)
        expect(applyJsonPatch(patched, [{ op: 'remove', path }])).toEqual(document)
      }),
    )
  })
})

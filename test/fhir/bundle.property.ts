import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ConsentryError } from '../../src/errors.js'
import { parseEntryRequest, planBundle, resolveBundle, type ResolvedEntry } from '../../src/fhir/bundle.js'
import { referencesOf } from '../../src/fhir/references.js'
import type { Bundle, Resource } from '../../src/fhir/types.js'

const base = 'https://here.example/fhir'
const id = fc.constantFrom('1', '2', '3', '4')
const urn = fc.constantFrom('urn:uuid:1', 'urn:uuid:2', 'urn:uuid:3', 'urn:uuid:4')
const target = fc.oneof(
  id.map((value) => `Patient/${value}`),
  urn,
  id.map((value) => `Patient?identifier=${value}`),
)
const resource = fc.oneof(
  fc.record({ resourceType: fc.constant('Patient'), id, identifier: id.map((value) => [{ value }]) }),
  fc.record({ resourceType: fc.constant('Condition'), id, subject: target.map((reference) => ({ reference })) }),
) as fc.Arbitrary<Resource>
const url = fc.oneof(
  fc.tuple(fc.constantFrom('Patient', 'Condition'), id).map((parts) => parts.join('/')),
  fc.constantFrom('Patient', 'Condition', 'Patient?identifier=1', 'Condition?code=x', 'Patient?identifier=2'),
  fc.string({ maxLength: 12 }),
)
const method = fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'TRACE')
const entry = fc.record(
  {
    fullUrl: urn,
    resource,
    request: fc.record(
      { method, url, ifNoneExist: fc.constantFrom('identifier=3', 'x') },
      { requiredKeys: ['method', 'url'] },
    ),
  },
  { requiredKeys: ['request'] },
)
const sound = fc.tuple(resource, fc.option(urn, { nil: undefined })).map(([of, fullUrl]) => ({
  ...(fullUrl === undefined ? {} : { fullUrl }),
  resource: of,
  request: { method: 'POST', url: of.resourceType },
}))
const entries = fc.array(fc.oneof(entry, { arbitrary: sound, weight: 3 }), { maxLength: 6 })
const RANK = ['DELETE', 'POST', 'PUT PATCH', 'GET HEAD']

describe('a Bundle', () => {
  it('of any content is planned and resolved as a whole, or refused with a ConsentryError', () => {
    let resolvedAll = 0
    fc.assert(
      fc.property(
        fc.constantFrom('batch', 'transaction'),
        entries,
        fc.array(id, { maxLength: 2 }),
        (type, entry, ids) => {
          const given = { resourceType: 'Bundle', type, entry } as Bundle
          const before = structuredClone(given)
          try {
            const plan = planBundle(given, { base })
            expect([...plan.order].sort((a, b) => a - b)).toEqual(entry.map((_, index) => index))
            const found = new Map(plan.lookups.map(({ key }) => [key, [...new Set(ids)]]))
            const resolved = resolveBundle(plan, found, { base })
            expect(resolved.entries).toHaveLength(entry.length)
            const sane = resolved.order
              .map((index) => resolved.entries[index])
              .filter((each): each is ResolvedEntry => !(each instanceof ConsentryError))
            const ranks = sane.map((each) => RANK.findIndex((methods) => methods.split(' ').includes(each.method)))
            expect(ranks).toEqual([...ranks].sort((a, b) => a - b))
            if (type === 'transaction') {
              expect(sane).toHaveLength(entry.length)
              requireSoundTransaction(sane)
              if (entry.length > 0) resolvedAll++
            }
          } catch (error) {
            expect(error).toBeInstanceOf(ConsentryError)
            expect((error as ConsentryError).issues.length).toBeGreaterThan(0)
          } finally {
            expect(given).toEqual(before)
          }
        },
      ),
      { numRuns: 3000 },
    )
    expect(resolvedAll).toBeGreaterThan(50)
  })

  it('has request URLs that are read or refused', () => {
    fc.assert(
      fc.property(method, fc.oneof(url, fc.string({ unit: 'binary' })), (verb, text) => {
        fc.pre(verb !== 'TRACE')
        try {
          const read = parseEntryRequest(verb, text, base, 'x')
          expect(read.id ?? '1').toMatch(/^[A-Za-z0-9\-.]{1,64}$/)
        } catch (error) {
          expect(error).toBeInstanceOf(ConsentryError)
        }
      }),
      { numRuns: 2000 },
    )
  })
})

/** No identity twice, every written resource has its id, and no reference is left to resolve. */
function requireSoundTransaction(entries: readonly ResolvedEntry[]): void {
  const changed = entries.filter(({ action }) => ['create', 'update', 'delete', 'patch'].includes(action))
  const identities = changed.map(({ type, id }) => `${type}/${id}`)
  expect(new Set(identities).size).toBe(identities.length)
  for (const { action, id, resource } of changed) {
    if (action !== 'create' && action !== 'update') continue
    expect(resource?.id).toBe(id)
    for (const { reference } of referencesOf(resource as Resource)) expect(reference.reference).not.toMatch(/^urn:|\?/)
  }
}

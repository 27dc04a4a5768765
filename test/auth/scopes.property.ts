import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { narrow, parseScope, type Permission, type Scope } from '../../src/auth/scopes.js'

const scope = fc
  .record({
    context: fc.constantFrom('system', 'user', 'patient'),
    type: fc.constantFrom('*', 'Patient', 'Observation'),
    letters: fc.subarray([...'cruds'], { minLength: 1 }).map((letters) => letters.join('')),
    filter: fc.array(fc.tuple(fc.constantFrom('a', 'b:exact'), fc.string({ maxLength: 8 })), { maxLength: 2 }),
  })
  .map(({ context, type, letters, filter }) => {
    const query = new URLSearchParams(filter).toString()
    return parseScope(`${context}/${type}.${letters}${query === '' ? '' : `?${query}`}`)
  })
  .filter((parsed) => parsed !== null)
const scopes = fc.array(scope, { maxLength: 4 })

/** Everything that scopes say of one context, type and permission, as sets of conditions that each suffice. */
function admits(list: readonly Scope[], context: string, type: string, permission: Permission) {
  return list
    .filter((s) => s.context === context && (s.type === '*' || s.type === type) && s.permissions.has(permission))
    .map((s) => new Set(s.filter.map((pair) => pair.join('='))))
}

describe('narrowing', () => {
  it('grants exactly what both sides admit', () => {
    fc.assert(
      fc.property(scopes, scopes, (requested, registered) => {
        const granted = narrow(requested, registered)
        for (const context of ['system', 'user', 'patient'])
          for (const type of ['Patient', 'Observation', 'Device'])
            for (const permission of 'cruds' as Iterable<Permission>) {
              const expected = admits(requested, context, type, permission).flatMap((a) =>
                admits(registered, context, type, permission).map((b) => a.union(b)),
              )
              const actual = admits(granted, context, type, permission)
              for (const conditions of expected) expect(actual.some((set) => set.isSubsetOf(conditions))).toBe(true)
              for (const conditions of actual) expect(expected.some((set) => set.isSubsetOf(conditions))).toBe(true)
            }
      }),
    )
  })

  it('changes nothing when done again', () => {
    fc.assert(
      fc.property(scopes, scopes, (requested, registered) => {
        const once = narrow(requested, registered)
        expect(narrow(once, registered).map(({ text }) => text)).toEqual(
          expect.arrayContaining(once.map(({ text }) => text)),
        )
      }),
    )
  })
})

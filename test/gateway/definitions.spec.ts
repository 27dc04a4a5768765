import { describe, expect, it } from 'vitest'
import { namedDefinitions } from '../../src/gateway/definitions.js'
import type { Resource } from '../../src/fhir/types.js'

const definition = (url: string | undefined, version: string, id?: string): Resource => ({
  resourceType: 'ValueSet',
  version,
  ...(url === undefined ? {} : { url }),
  ...(id === undefined ? {} : { id }),
})
const names = (definitions: readonly Resource[], taken: readonly string[] = []) => {
  const own = new Map(taken.map((name) => [name, definition('urn:own', '1')]))
  return Object.fromEntries(
    Array.from(namedDefinitions(definitions, own), ([name, { url, version, id }]) => {
      expect(name).toBe(`ValueSet/${id}`)
      return [name, `${String(url)}|${String(version)}`]
    }),
  )
}

describe('names of definitions', () => {
  it('are their ids, or else the last part of their URL', () => {
    expect(names([definition('http://a.org/x', '1', 'given'), definition('http://a.org/vs/last', '1')])).toEqual({
      'ValueSet/given': 'http://a.org/x|1',
      'ValueSet/last': 'http://a.org/vs/last|1',
    })
  })

  it('belong to the version that was loaded last, and to nobody twice', () => {
    const [old, young] = [definition('http://a.org/x', '6.1.0', 'x'), definition('http://a.org/x', '7.0.0', 'x')]
    expect(names([old, young, young])).toEqual({
      'ValueSet/x': 'http://a.org/x|7.0.0',
      'ValueSet/x-7.0.0': 'http://a.org/x|7.0.0',
      'ValueSet/x-6.1.0': 'http://a.org/x|6.1.0',
    })
    expect(names([old], ['ValueSet/x'])).toEqual({ 'ValueSet/x-6.1.0': 'http://a.org/x|6.1.0' })
  })

  it('need a URL, and a form that a name can have', () => {
    expect(
      names([definition(undefined, '1', 'x'), definition('urn:oid:1.2', '1'), definition('http://a.org/x/', '1')]),
    ).toEqual({})
  })
})

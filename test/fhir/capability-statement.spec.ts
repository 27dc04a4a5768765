import { describe, expect, it } from 'vitest'
import {
  capabilityStatement,
  interactionsFor,
  type Served,
  type TypeInteraction,
} from '../../src/fhir/capability-statement.js'
import { indexValues, searchParametersOf } from '../../src/fhir/search-parameters.js'
import { parseSearch } from '../../src/fhir/search-query.js'
import type { ValidResource } from '../../src/fhir/types.js'
import { validate } from '../../src/fhir/validate.js'

const ALL: TypeInteraction[] = ['read', 'vread', 'update', 'delete', 'history-instance', 'create', 'search-type']
const served: Served = {
  interactions: (type) => interactionsFor(type, ALL),
  system: ['transaction', 'batch'],
  profiles: (type) => (type === 'Patient' ? ['http://example.org/fhir/StructureDefinition/ours'] : []),
  operations: [
    { name: 'graphql', definition: 'http://hl7.org/fhir/OperationDefinition/Resource-graphql' },
    { name: 'verify', definition: 'https://consentry.health/fhir/OperationDefinition/verify', type: 'AuditEvent' },
  ],
  conditional: { create: true },
  updateCreate: true,
}
const server = {
  baseUrl: 'http://127.0.0.1:8080/fhir',
  version: '0.1.0',
  date: '2026-01-01T00:00:00Z',
  security: { tokenUrl: 'http://127.0.0.1:8080/oauth/token', cors: true },
}

interface ResourceEntry {
  type: string
  interaction: { code: string }[]
  searchParam?: { name: string; definition: string; type: string }[]
  operation?: { name: string }[]
  searchInclude?: string[]
  searchRevInclude?: string[]
  conditionalCreate: boolean
  updateCreate: boolean
}

function resourcesOf(of: Served): ResourceEntry[] {
  const statement = capabilityStatement(of, server) as unknown as { rest: [{ resource: ResourceEntry[] }] }
  return statement.rest[0].resource
}

describe('capabilityStatement', () => {
  it('is valid R4', () => {
    const { issues, resource } = validate(capabilityStatement(served, server), { warnings: true })
    expect(issues).toEqual([])
    expect(resource).toBeDefined()
  })

  it('lists every type with an address, and what its table says', () => {
    const resources = resourcesOf(served)
    expect(resources).toHaveLength(145)
    const patient = resources.find(({ type }) => type === 'Patient')
    expect(patient?.interaction.map(({ code }) => code)).toEqual(ALL)
    expect(patient).toMatchObject({
      conditionalCreate: true,
      updateCreate: true,
      supportedProfile: ['http://example.org/fhir/StructureDefinition/ours'],
    })
    const audit = resources.find(({ type }) => type === 'AuditEvent')
    expect(audit?.interaction.map(({ code }) => code)).toEqual(['read', 'vread', 'history-instance', 'search-type'])
    expect(audit).not.toHaveProperty('supportedProfile')
    expect(audit).toMatchObject({ conditionalCreate: false, updateCreate: false, operation: [{ name: 'verify' }] })
    expect(resources.some(({ type }) => type === 'Parameters')).toBe(false)
  })

  it('promises no search parameter that a search would refuse', () => {
    for (const { type, searchParam = [] } of resourcesOf(served)) {
      expect(searchParam.length).toBeGreaterThan(0)
      for (const { name, type: kind } of searchParam) {
        const of = (each: string): string => ({ date: '2020', number: '1', quantity: '1', special: '1|2' })[each] ?? 'x'
        const { kinds = [] } = searchParametersOf(type).get(name) ?? {}
        const value = kind === 'composite' ? kinds.map(of).join('$') : of(kind)
        expect(parseSearch(type, [[name, value]]).clauses, `${type}.${name}`).toHaveLength(1)
      }
    }
  })

  it('promises every search parameter that a search would take', () => {
    const patient = resourcesOf(served).find(({ type }) => type === 'Patient')
    const found = new Set(
      indexValues({ resourceType: 'Patient', gender: 'male', active: true } as unknown as ValidResource).map(
        ({ param }) => param,
      ),
    )
    const names = new Set(patient?.searchParam?.map(({ name }) => name))
    for (const param of found) expect(names).toContain(param)
    expect(patient?.searchParam).toContainEqual({
      name: 'birthdate',
      definition: 'http://hl7.org/fhir/SearchParameter/individual-birthdate',
      type: 'date',
    })
  })

  it('names the includes that a search would take, those that lead here too', () => {
    const resources = resourcesOf(served)
    const named = (type: string) => resources.find((each) => each.type === type)
    expect(named('Observation')?.searchInclude).toEqual(
      expect.arrayContaining(['*', 'Observation:subject', 'Observation:performer']),
    )
    expect(named('Patient')?.searchRevInclude).toEqual(
      expect.arrayContaining(['*', 'Observation:subject', 'Observation:patient']),
    )
    expect(named('Patient')?.searchRevInclude).not.toContain('Encounter:location')
    for (const { type, searchInclude = [], searchRevInclude = [] } of resources) {
      const asked = [
        ...searchInclude.map((value): [string, string] => ['_include', value]),
        ...searchRevInclude.map((value): [string, string] => ['_revinclude', value]),
      ]
      for (const param of asked) expect(parseSearch(type, [param]).includes, `${type} ${param[1]}`).toHaveLength(1)
    }
  })

  it('names no operation that writes for what nobody writes', () => {
    const adding = {
      name: 'meta-add',
      definition: 'http://hl7.org/fhir/OperationDefinition/Resource-meta-add',
      type: '*',
    }
    const resources = resourcesOf({ ...served, operations: [{ ...adding, changes: true }] })
    expect(resources.find(({ type }) => type === 'AuditEvent')).not.toHaveProperty('operation')
    expect(resources.find(({ type }) => type === 'Patient')?.operation).toMatchObject([{ name: 'meta-add' }])
  })

  it('leaves out what is not served', () => {
    const little: Served = { interactions: (type) => (type === 'Patient' ? ['read'] : []), system: [] }
    const statement = capabilityStatement(little, server)
    expect(resourcesOf(little)).toHaveLength(1)
    expect(resourcesOf(little)[0]).not.toHaveProperty('searchParam')
    expect((statement['rest'] as object[])[0]).not.toHaveProperty('interaction')
    expect(validate(statement).issues).toEqual([])
  })
})

import { describe, expect, it } from 'vitest'
import { matchRoute } from '../../src/http/routes.js'
import { TYPES } from '../support/edge.js'

const match = (method: string, path: string) => matchRoute(method, path.split('/').slice(1), TYPES)

/** https://hl7.org/fhir/R4/http.html#summary, line by line. */
const SUMMARY: [method: string, path: string, target: object][] = [
  ['GET', '/Patient/1', { interaction: 'read', type: 'Patient', id: '1' }],
  ['GET', '/Patient/1/_history/2', { interaction: 'vread', type: 'Patient', id: '1', vid: '2' }],
  ['PUT', '/Patient/1', { interaction: 'update', type: 'Patient', id: '1' }],
  ['PUT', '/Patient', { interaction: 'update', type: 'Patient' }],
  ['PATCH', '/Patient/1', { interaction: 'patch', type: 'Patient', id: '1' }],
  ['PATCH', '/Patient', { interaction: 'patch', type: 'Patient' }],
  ['DELETE', '/Patient/1', { interaction: 'delete', type: 'Patient', id: '1' }],
  ['DELETE', '/Patient', { interaction: 'delete', type: 'Patient' }],
  ['POST', '/Patient', { interaction: 'create', type: 'Patient' }],
  ['GET', '/Patient', { interaction: 'search-type', type: 'Patient' }],
  ['POST', '/Patient/_search', { interaction: 'search-type', type: 'Patient' }],
  ['GET', '/Patient/1/Observation', compartment('Observation')],
  ['POST', '/Patient/1/Observation/_search', compartment('Observation')],
  ['GET', '/Patient/1/*', compartment()],
  ['POST', '/Patient/1/_search', compartment()],
  ['GET', '/metadata', { interaction: 'capabilities' }],
  ['GET', '/Patient/1/_history', { interaction: 'history-instance', type: 'Patient', id: '1' }],
  ['GET', '/Patient/_history', { interaction: 'history-type', type: 'Patient' }],
  ['GET', '/_history', { interaction: 'history-system' }],
  ['POST', '/_search', { interaction: 'search-system' }],
  ['GET', '/$graphql', { interaction: 'operation', operation: 'graphql' }],
  ['POST', '/Patient/$match', { interaction: 'operation', type: 'Patient', operation: 'match' }],
  ['GET', '/Observation/$lastn', { interaction: 'operation', type: 'Observation', operation: 'lastn' }],
  ['GET', '/Patient/1/$everything', { interaction: 'operation', type: 'Patient', id: '1', operation: 'everything' }],
]

function compartment(type?: string) {
  return { interaction: 'search-compartment', compartment: { type: 'Patient', id: '1' }, ...(type && { type }) }
}

describe('the route table', () => {
  it.each(SUMMARY)('%s %s', (method, path, target) => {
    expect(match(method, path)).toEqual({ kind: 'found', target })
  })

  it('reads the base itself', () => {
    expect(matchRoute('POST', [], TYPES)).toEqual({ kind: 'found', target: { interaction: 'transaction' } })
    expect(matchRoute('GET', [], TYPES)).toEqual({ kind: 'found', target: { interaction: 'search-system' } })
  })

  it('names what is allowed instead', () => {
    expect(match('POST', '/Patient/1')).toEqual({
      kind: 'method-not-allowed',
      allow: ['GET', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'],
    })
    expect(match('DELETE', '/metadata')).toMatchObject({ allow: ['GET', 'HEAD', 'OPTIONS'] })
  })

  it.each([
    ['/Patent/1', { kind: 'unknown-type', type: 'Patent' }],
    ['/patient', { kind: 'unknown-type', type: 'patient' }],
    ['/Patient/a b', { kind: 'malformed-id', id: 'a b' }],
    [`/Patient/${'x'.repeat(65)}`, { kind: 'malformed-id', id: 'x'.repeat(65) }],
    ['/Patient/1/Nothing', { kind: 'unknown-type', type: 'Nothing' }],
    ['/Observation/1/Patient', { kind: 'not-found' }],
    ['/Patient/1/_history/2/3', { kind: 'not-found' }],
    ['/_nothing', { kind: 'not-found' }],
    ['/Patient/_nothing', { kind: 'not-found' }],
    ['/$', { kind: 'not-found' }],
  ])('does not find GET %s', (path, expected) => {
    expect(match('GET', path)).toEqual(expected)
  })
})

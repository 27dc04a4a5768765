import { describe, expect, it } from 'vitest'
import { allows, requireScope } from '../../src/auth/allows.js'
import type { Principal } from '../../src/auth/principal.js'
import { narrow, parseScope, parseScopes } from '../../src/auth/scopes.js'
import { ENTITY } from '../support/clients.js'

const principal = (scopes: string, role: Principal['role'] = 'system'): Principal => ({
  clientId: 'x',
  entity: ENTITY,
  role,
  scopes: parseScopes(scopes),
  purposes: ['TREAT'],
  tokenId: 'x',
  expiresAt: 0,
})

describe('a scope', () => {
  it.each([
    ['system/Patient.cruds', 'cruds'],
    ['system/*.rs', 'rs'],
    ['patient/Observation.read', 'rs'],
    ['user/Observation.write', 'cud'],
    ['system/Patient.*', 'cruds'],
  ])('%s allows %s', (text, letters) => {
    expect([...(parseScope(text)?.permissions ?? [])].join('')).toBe(letters)
  })

  it('may be narrowed by search parameters', () => {
    expect(parseScope('patient/Observation.rs?category=http://x|lab&status=final')?.filter).toEqual([
      ['category', 'http://x|lab'],
      ['status', 'final'],
    ])
  })

  it.each([
    '',
    'openid',
    'launch/patient',
    'system/Patient',
    'system/Patient.',
    'system/Patient.sr',
    'system/Patient.rr',
    'system/patient.r',
    'system/Patient.r?',
    'system/Patient.r?=x',
    'admin/Patient.r',
    'system/Patient.r x',
    'system/Pat*.r',
  ])('"%s" is none', (text) => {
    expect(parseScope(text)).toBeNull()
  })
})

describe('what scopes allow', () => {
  it.each([
    ['system/Patient.r', 'read', true],
    ['system/Patient.r', 'vread', true],
    ['system/Patient.r', 'history-instance', true],
    ['system/Patient.r', 'search-type', false],
    ['system/Patient.s', 'history-type', true],
    ['system/Patient.s', 'read', false],
    ['system/Patient.u', 'update', true],
    ['system/Patient.u', 'patch', true],
    ['system/Patient.u', 'create', false],
    ['system/Patient.d', 'delete', true],
    ['system/Observation.cruds', 'read', false],
    ['system/*.r', 'read', true],
    ['', 'read', false],
  ])('"%s" for %s of a Patient: %s', (scopes, interaction, allowed) => {
    expect(allows(principal(scopes), 'Patient', interaction).allowed).toBe(allowed)
  })

  it('is every resource when one scope has no filter, else what any filter admits', () => {
    const filtered = 'system/Patient.rs?gender=female system/Patient.rs?active=true'
    expect(allows(principal(filtered), 'Patient', 'read')).toEqual({
      allowed: true,
      filters: [[['gender', 'female']], [['active', 'true']]],
    })
    expect(allows(principal(`${filtered} system/*.r`), 'Patient', 'read')).toEqual({ allowed: true, filters: null })
  })

  it('names the missing scope', () => {
    expect(() => requireScope(principal('system/Patient.r'), 'Patient', 'delete')).toThrow('system/Patient.d')
    expect(() => requireScope(principal('', 'patient'), 'Patient', 'read')).toThrow('patient/Patient.r')
  })

  it('is undefined for an interaction that no scope is assigned to', () => {
    expect(() => allows(principal('system/*.cruds'), 'Patient', 'nothing')).toThrow('No scope is assigned')
  })
})

describe('narrowing', () => {
  it('joins filters', () => {
    expect(
      narrow(parseScopes('system/*.rs?a=1'), parseScopes('system/Patient.cruds?b=2')).map(({ text }) => text),
    ).toEqual(['system/Patient.rs?a=1&b=2'])
  })
})

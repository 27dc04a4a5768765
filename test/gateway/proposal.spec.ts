import { describe, expect, it } from 'vitest'
import type { Resource } from '../../src/fhir/types.js'
import { requireEnforced } from '../../src/gateway/consent/proposal.js'

const SCOPE = 'http://terminology.hl7.org/CodeSystem/consentscope'
const PCF = 'https://profiles.ihe.net/ITI/PCF/StructureDefinition/IHE.PCF.consentBasic'
const consent = (over: object): Resource => ({
  resourceType: 'Consent',
  status: 'active',
  scope: { coding: [{ system: SCOPE, code: 'research' }] },
  ...over,
})

describe('a Consent that says that it is in force', () => {
  it.each<[string, object, boolean]>([
    ['about research', {}, true],
    ['about privacy', { scope: { coding: [{ system: SCOPE, code: 'patient-privacy' }] } }, false],
    ['about nothing that it names', { scope: undefined }, false],
    ['of PCF, which is about privacy whatever its scope says', { meta: { profile: [PCF] } }, false],
    ['of a version of PCF', { meta: { profile: ['urn:other', `${PCF}|1.1.0`] } }, false],
    ['of PCF, and only proposed', { status: 'proposed', meta: { profile: [PCF] } }, true],
    ['whose profiles are none', { meta: { profile: 5 } }, true],
    ['whose meta is none', { meta: null }, true],
  ])('%s', (_, over, allowed) => {
    const check = () => requireEnforced(consent(over), 'Consent')
    if (allowed) expect(check).not.toThrow()
    else expect(check).toThrow('by a grant on the ledger alone')
  })
})

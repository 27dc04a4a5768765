import type { Hex } from '../../../src/ledger/hex.js'
import { EMERGENCY_REASON } from '../../../src/gateway/consent/access-codes.js'
import { PATIENT_ID_SYSTEM } from '../../../src/gateway/patient-compartment.js'
import { type Ask, bundle, parameters, send } from './asking.js'
import { of } from './world.js'

/** A door that would change something: asked about what is hidden, and about what does not exist. */
export interface WriteDoor {
  readonly name: string
  readonly asks: readonly Ask[]
  /** Who sees a difference; a party with a grant, unless no grant opens it. */
  readonly opens?: 'ehr' | 'auditor' | 'privacy' | 'emergency'
  /** Whoever sees through it is answered alike: it judges what is sent. */
  readonly indifferent?: true
}

const OBS = 'urn:example:obs'
/** Of `public`, where everybody may write. */
const observation = (more: object = {}): object => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text: 'written by a caller' },
  subject: of('Patient/public'),
  ...more,
})
const PATCH = [{ op: 'replace', path: '/status', value: 'amended' }]
const json = { 'content-type': 'application/json-patch+json' }
const representation = { prefer: 'return=representation' }
const binaryPatch = {
  resourceType: 'Binary',
  contentType: 'application/json-patch+json',
  data: Buffer.from(JSON.stringify(PATCH)).toString('base64'),
}
const meta = parameters({ name: 'meta', valueMeta: { tag: [{ system: 'urn:example:ward', code: 'added' }] } })
const signature = { name: 'signature', valueString: '0x00' }

const code = (name: string, valueCode: string) => ({ name, valueCode })
const request = (...more: object[]): object =>
  parameters(
    ...more,
    code('label', 'general'),
    code('purpose', 'TREAT'),
    { name: 'period', valuePeriod: { end: '2100-01-01T00:00:00Z' } },
    { name: 'reason', valueString: 'Asked for by the leak matrix.' },
  )
const identified = (value: Hex) => ({ name: 'identifier', valueIdentifier: { system: PATIENT_ID_SYSTEM, value } })
const emergency = {
  name: 'reason',
  valueCodeableConcept: {
    coding: [{ system: EMERGENCY_REASON, code: 'life-threatening' }],
    text: 'Asked for by the leak matrix.',
  },
}

/** What the doors name besides. */
export interface Named {
  /** Address of somebody's wallet. */
  readonly wallet: Hex
  /** Of the hidden patient. */
  readonly ledgerId: Hex
  /** That tells of the hidden patient. */
  readonly auditEvent: string
  readonly provenance: string
}

export const writeDoors = ({ wallet, ledgerId, auditEvent, provenance }: Named): readonly WriteDoor[] => [
  {
    name: 'conditional create',
    asks: [
      send('POST', '/Observation', observation(), {
        'if-none-exist': `identifier=${OBS}|hidden-o0`,
        ...representation,
      }),
      send('POST', '/Observation', observation(), { 'if-none-exist': `identifier=${OBS}|veiled-o1` }),
      send('POST', '/Observation', observation(), { 'if-none-exist': '_id=hidden-o0,veiled-o0' }),
      send('POST', '/Observation', observation(), {
        'if-none-exist': 'subject:Patient.identifier=urn:example:mrn|hidden&status=preliminary',
      }),
    ],
  },
  {
    name: 'conditional read',
    asks: [{ method: 'GET', path: '/Observation/hidden-o0', headers: { 'if-none-match': 'W/"1"' } }],
  },
  {
    name: 'conditional update',
    asks: [
      send('PUT', `/Observation?identifier=${OBS}|hidden-o0`, observation()),
      send('PUT', `/Observation?identifier=${OBS}|veiled-o0`, observation(), representation),
      send('PUT', '/Observation?_id=hidden-o0', observation({ id: 'hidden-o0' })),
    ],
  },
  {
    name: 'conditional delete',
    asks: [
      send('DELETE', `/Observation?identifier=${OBS}|hidden-o1`, undefined),
      send('DELETE', '/Condition?_id=veiled-d&_count=9', undefined),
    ],
  },
  {
    name: 'conditional patch',
    asks: [
      send('PATCH', `/Observation?identifier=${OBS}|hidden-o0`, PATCH, json),
      send('PATCH', '/Observation?_id=veiled-o0', PATCH, json),
    ],
  },
  {
    name: 'PATCH',
    asks: [
      send('PATCH', '/Observation/hidden-o0', PATCH, { ...json, ...representation }),
      send('PATCH', '/Observation/veiled-o0', [{ op: 'test', path: '/status', value: 'final' }], json),
      send('PATCH', '/Observation/hidden-o0', PATCH, { ...json, 'if-match': 'W/"9"' }),
      send('PATCH', '/Patient/hidden', [{ op: 'add', path: '/bogus', value: 1 }], json),
    ],
  },
  {
    name: 'create',
    asks: [
      send('POST', '/Observation', observation({ subject: of('Patient/hidden') })),
      send('POST', '/Observation', observation({ focus: [of('Patient/hidden')] })),
      send('POST', '/Group', {
        resourceType: 'Group',
        type: 'person',
        actual: true,
        member: [{ entity: of('Patient/public') }, { entity: of('Patient/hidden') }],
      }),
      send('POST', '/Binary', 'bytes', { 'content-type': 'text/plain', 'x-security-context': 'Patient/hidden' }),
      send('POST', '/Consent', {
        resourceType: 'Consent',
        status: 'draft',
        scope: { text: 'x' },
        category: [{ text: 'x' }],
        policyRule: { text: 'x' },
        patient: of('Patient/hidden'),
      }),
    ],
  },
  {
    name: 'update',
    asks: [
      send('PUT', '/Observation/hidden-o0', observation({ id: 'hidden-o0' })),
      send('PUT', '/Observation/veiled-o0', observation({ id: 'veiled-o0' }), representation),
      send('PUT', '/Observation/hidden-o0', observation({ id: 'hidden-o0', subject: of('Patient/hidden') })),
      send('PUT', '/Observation/hidden-o0', observation({ id: 'hidden-o0' }), { 'if-match': 'W/"1"' }),
      send('PUT', '/Observation/veiled-o1', observation({ id: 'veiled-o1' }), { 'if-none-match': '*' }),
      send('PUT', '/Patient/hidden', { resourceType: 'Patient', id: 'hidden', gender: 'other' }),
      send('PUT', '/Binary/hidden-b', 'bytes', { 'content-type': 'text/plain' }),
      send('PUT', '/Consent/hidden-k', {
        resourceType: 'Consent',
        id: 'hidden-k',
        status: 'draft',
        scope: { text: 'x' },
        category: [{ text: 'x' }],
        policyRule: { text: 'x' },
        patient: of('Patient/public'),
      }),
    ],
  },
  {
    name: 'delete',
    asks: [
      send('DELETE', '/Composition/hidden-c', undefined),
      send('DELETE', '/Condition/veiled-d', undefined, { 'if-match': 'W/"9"' }),
    ],
  },
  {
    name: 'transaction',
    asks: [
      bundle('transaction', [
        { method: 'POST', url: 'Observation', ifNoneExist: `identifier=${OBS}|hidden-o0`, resource: observation() },
        { method: 'POST', url: 'Observation', ifNoneExist: `identifier=${OBS}|veiled-o0`, resource: observation() },
      ]),
      bundle('transaction', [
        { method: 'PUT', url: `Observation?identifier=${OBS}|hidden-o0`, resource: observation() },
      ]),
      bundle('transaction', [
        { method: 'PUT', url: 'Observation/veiled-o0', resource: observation({ id: 'veiled-o0' }) },
      ]),
      bundle('transaction', [{ method: 'PATCH', url: 'Observation/hidden-o0', resource: binaryPatch }]),
      bundle('transaction', [{ method: 'DELETE', url: 'Observation/hidden-o2' }]),
      bundle('transaction', [{ method: 'DELETE', url: `Observation?identifier=${OBS}|veiled-o2` }]),
      bundle('transaction', [
        {
          method: 'POST',
          url: 'Observation',
          resource: observation({ subject: of('Patient?identifier=urn:example:mrn|hidden') }),
        },
      ]),
      bundle('transaction', [
        {
          method: 'POST',
          url: 'Observation',
          resource: observation({ derivedFrom: [of(`Observation?identifier=${OBS}|veiled-o0`)] }),
        },
      ]),
      bundle('transaction', [
        { method: 'POST', url: 'Observation', resource: observation({ subject: of('Patient/hidden') }) },
      ]),
    ].map((body) => send('POST', '', body, representation)),
  },
  {
    name: 'batch',
    asks: [
      send(
        'POST',
        '',
        bundle('batch', [
          { method: 'POST', url: 'Observation', ifNoneExist: `identifier=${OBS}|hidden-o0`, resource: observation() },
          { method: 'PUT', url: `Observation?identifier=${OBS}|veiled-o0`, resource: observation() },
          { method: 'PATCH', url: 'Observation/hidden-o0', resource: binaryPatch },
          { method: 'DELETE', url: 'Observation/hidden-o1' },
          { method: 'DELETE', url: `Observation?identifier=${OBS}|veiled-o1` },
          { method: 'PUT', url: 'Observation/hidden-o2', resource: observation({ id: 'hidden-o2' }) },
          { method: 'POST', url: 'Observation', resource: observation({ subject: of('Patient/hidden') }) },
          {
            method: 'POST',
            url: 'Observation',
            resource: observation({ subject: of('Patient?identifier=urn:example:mrn|hidden') }),
          },
          { method: 'GET', url: 'Observation/veiled-o0', ifNoneMatch: 'W/"1"' },
        ]),
      ),
    ],
  },
  {
    name: '$meta-add, $meta-delete',
    asks: [
      send('POST', '/Observation/hidden-o0/$meta-add', meta),
      send('POST', '/Observation/veiled-o0/$meta-delete', meta),
    ],
  },
  {
    name: '$validate',
    asks: [send('POST', '/Observation/hidden-o0/$validate', parameters({ name: 'mode', valueCode: 'delete' }))],
  },
  {
    name: '$validate of what is sent',
    indifferent: true,
    asks: [
      send(
        'POST',
        '/Observation/veiled-o0/$validate',
        parameters(
          { name: 'mode', valueCode: 'update' },
          { name: 'resource', resource: observation({ id: 'veiled-o0' }) },
        ),
      ),
      send(
        'POST',
        '/Observation/$validate',
        parameters({ name: 'resource', resource: observation({ subject: of('Patient/hidden') }) }),
      ),
    ],
  },
  {
    name: 'Consent operations',
    opens: 'ehr',
    asks: [
      send('POST', '/Consent/hidden-k/$to-sign', parameters()),
      send('POST', '/Consent/veiled-k/$to-sign', parameters()),
      send('POST', '/Consent/hidden-k/$sign', parameters(signature)),
      send('POST', '/Consent/hidden-k/$revoke', parameters(signature)),
      { method: 'GET', path: '/Consent/hidden-k/$receipt' },
      send('POST', '/Patient/hidden/$revoke-all', parameters(signature)),
    ],
  },
  {
    name: 'Patient operations',
    opens: 'ehr',
    asks: [
      send('POST', '/Patient/hidden/$claim', parameters({ name: 'controller', valueString: wallet })),
      send('POST', '/Patient/hidden/$emergency-veto', parameters({ name: 'vetoed', valueBoolean: true })),
      send('POST', '/Patient/hidden/$request-access', request()),
    ],
  },
  {
    name: 'operations by the ledger’s id',
    opens: 'ehr',
    asks: [send('POST', '/Patient/$request-access', request(identified(ledgerId)))],
  },
  {
    name: 'Task operations',
    opens: 'ehr',
    asks: ['accept', 'refuse', 'withdraw'].map((name) => send('POST', `/Task/hidden-t/$${name}`, parameters())),
  },
  {
    name: '$review',
    opens: 'privacy',
    asks: [send('POST', '/Task/hidden-t/$review', parameters({ name: 'outcome', valueCode: 'justified' }))],
  },
  {
    name: '$break-glass',
    opens: 'emergency',
    asks: [
      send('POST', '/Patient/$break-glass', parameters(identified(ledgerId), emergency)),
      send('POST', '/Patient/hidden/$break-glass', parameters(emergency)),
    ],
  },
  {
    name: '$verify',
    opens: 'auditor',
    asks: [
      { method: 'GET', path: `/AuditEvent/${auditEvent}` },
      { method: 'GET', path: `/AuditEvent/${auditEvent}/$verify` },
      { method: 'GET', path: `/Provenance/${provenance}/$verify` },
    ],
  },
]

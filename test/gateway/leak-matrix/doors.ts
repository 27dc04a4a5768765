import { type Ask, bundle, form, get, gets, graphql, indifferent, paged, parameters, send } from './asking.js'
import { WORD } from './world.js'

/** A way by which records, or what follows from them, leave the gateway. */
export interface Door {
  readonly name: string
  readonly asks: readonly Ask[]
  /** Who sees through it; a party with a grant, unless no grant opens it. */
  readonly opens?: 'ehr' | 'auditor'
  /** What it shows then, where it shows no text of a record. */
  readonly shows?: RegExp
}

/** Asked before anything hidden exists, and after. */
export const READ_DOORS: readonly Door[] = [
  {
    name: 'read',
    asks: [
      ...gets(
        '/Patient/hidden',
        '/Observation/hidden-o0',
        '/Observation/veiled-o0',
        '/Binary/hidden-b',
        '/Group/hidden-g',
      ),
      ...gets('/DiagnosticReport/veiled-r?_summary=true', '/Observation/hidden-o1?_elements=note'),
      get('/Binary/veiled-b', { accept: 'text/plain' }),
      get('/Observation/hidden-o0', { accept: 'application/fhir+xml' }),
    ],
  },
  {
    name: 'HEAD',
    shows: /^200 /,
    asks: ['/Observation/hidden-o0', '/Binary/veiled-b', '/Patient/hidden/*', '/Patient/hidden/_history'].map(
      (path) => ({
        method: 'HEAD',
        path,
      }),
    ),
  },
  {
    name: 'ETag/If-None-Match',
    shows: /^304 /,
    asks: [
      get('/Observation/hidden-o0', { 'if-none-match': 'W/"1"' }),
      get('/Patient/hidden', { 'if-none-match': '*' }),
      get('/Observation/veiled-o0', { 'if-modified-since': 'Fri, 01 Jan 2100 00:00:00 GMT' }),
    ],
  },
  {
    name: 'vread',
    asks: gets('/Observation/hidden-o2/_history/1', '/Observation/veiled-o2/_history/1', '/Patient/hidden/_history/1'),
  },
  {
    name: 'history of instance',
    asks: gets('/Observation/hidden-o2/_history', '/Observation/veiled-o2/_history?_count=1'),
  },
  {
    name: 'history of type',
    asks: [
      ...gets(
        '/Observation/_history',
        '/Patient/_history',
        '/Observation/_history?_list=public-l',
        '/Observation/_history?_list=hidden-l',
      ),
      ...gets('/Observation/_history?_at=2026', '/Observation/_history?_since=2026-01-01'),
    ],
  },
  { name: 'history of system', asks: [...gets('/_history?_count=500'), paged('/_history?_count=20')] },
  {
    name: 'search',
    asks: [
      ...gets(
        '/Observation',
        '/Patient?name=robin',
        '/Patient?family:contains=o',
        '/Observation?status:not=preliminary',
        '/Condition',
      ),
      ...gets(
        '/Observation?code:text=sodium',
        '/Observation?code-value-quantity=urn:example:codes|c0$gt5',
        '/Observation?date=ge2024',
      ),
      ...gets(
        '/Patient?identifier=urn:example:mrn|hidden',
        '/Observation?identifier=urn:example:obs|veiled-o0',
        '/Observation?_id=hidden-o0',
      ),
      ...gets(
        '/Observation?subject=Patient/hidden',
        '/Observation?patient:identifier=urn:example:mrn|hidden',
        '/?_tag=shared',
      ),
      ...gets(
        '/?_type=Patient,Observation',
        '/Observation?category:missing=false',
        '/Group?member=Patient/public',
        '/Observation?_elements=note',
      ),
    ].map((ask) => (ask.path.includes(':identifier=') ? indifferent(ask) : ask)),
  },
  {
    name: 'POST _search',
    asks: [
      form('/Observation/_search', 'code=urn:example:codes|c0'),
      form('/_search', '_type=Observation,Condition&_tag=shared'),
      form('/Patient/hidden/_search', '_type=Observation'),
      form('/Patient/hidden/Observation/_search', 'status=final'),
    ],
  },
  {
    name: 'compartment search',
    asks: gets(
      ...[
        '/Patient/hidden/*',
        '/Patient/public/*',
        '/Patient/hidden/Observation',
        '/Patient/public/Observation?code=c0',
      ],
      ...[
        '/Encounter/hidden-e/*',
        '/Encounter/public-e/*',
        '/Encounter/public-e/Observation',
        '/Patient/hidden/Condition',
      ],
    ),
  },
  {
    name: 'page n',
    asks: [
      paged('/Observation?_count=1&_sort=date'),
      paged('/Observation?_count=2&_sort=-code,_id'),
      paged('/?_type=Observation,Encounter,Patient&_count=2'),
      paged('/Patient/public/*?_count=3'),
    ],
  },
  {
    name: '_include',
    asks: gets(
      '/DiagnosticReport?_include=DiagnosticReport:result',
      '/List?_include=*',
      '/DiagnosticReport?_id=public-r&_include=DiagnosticReport:result:Observation',
    ),
  },
  {
    name: '_revinclude',
    asks: gets(
      '/Observation?_id=public-o0&_revinclude=DiagnosticReport:result',
      '/Encounter?_revinclude=*',
      '/Patient?_id=public&_revinclude=Observation:patient',
    ),
  },
  {
    name: ':iterate',
    asks: gets(
      '/DiagnosticReport?_id=public-r&_include=DiagnosticReport:result&_include:iterate=Observation:encounter',
      '/Patient?_id=public&_revinclude=Observation:patient&_revinclude:iterate=DiagnosticReport:result&_include:iterate=DiagnosticReport:result',
    ),
  },
  {
    name: 'chain',
    asks: gets(
      ...['/Observation?subject:Patient.given=robin', '/DiagnosticReport?result.identifier=urn:example:obs|hidden-o0'],
      ...[
        '/DiagnosticReport?result.code=urn:example:codes|c0-veiled',
        '/Observation?encounter.subject:Patient.gender=other',
      ],
    ),
  },
  {
    name: '_has',
    asks: gets(
      ...['/Patient?_has:Observation:patient:code=c0', '/Observation?_has:DiagnosticReport:result:code=panel-hidden'],
      ...[
        '/Observation?_has:DiagnosticReport:result:code=panel-veiled',
        '/Encounter?_has:DiagnosticReport:encounter:result.status=final',
      ],
      ...['/Patient?_has:Encounter:patient:_has:Observation:encounter:code=c1-veiled'],
    ),
  },
  {
    name: '_sort',
    asks: gets(
      ...[
        '/Observation?_sort=-date',
        '/Observation?_sort=value-quantity,-_id',
        '/Observation?_sort=status,-code,subject',
        '/Patient?_sort=birthdate',
      ],
      ...['/DiagnosticReport?_sort=-result', '/Observation?_sort=-_lastUpdated&_count=2'],
    ),
  },
  {
    name: '_total',
    asks: gets(
      '/Observation?_total=accurate',
      '/Observation?_summary=count',
      '/Observation?_count=0',
      '/Patient?_total=estimate',
      '/?_type=Observation,Patient&_summary=count',
    ),
  },
  {
    name: '_filter',
    asks: gets(
      ...[
        '/Observation?_filter=code eq c0',
        '/Observation?_filter=not (status eq preliminary) and value-quantity gt 1',
        '/Patient?_filter=given co "obi"',
      ],
      ...['/Patient?_filter=_has:Observation:patient:code eq c0', '/DiagnosticReport?_filter=result.code eq c0-hidden'],
    ).map((ask) => ({ ...ask, path: encodeURI(ask.path) })),
  },
  {
    name: '_text/_content',
    asks: gets(`/Observation?_text=${WORD}`, `/Condition?_content=${WORD}`, `/?_type=Observation,List&_text=${WORD}`),
  },
  {
    name: '_list',
    asks: gets(
      '/Observation?_list=hidden-l',
      '/Observation?_list=public-l',
      '/?_type=Observation,Encounter&_list=public-l,veiled-l',
    ),
  },
  { name: 'near', opens: 'ehr', asks: gets('/Location?near=47.4|8.5|100|km', '/Practitioner') },
  {
    name: 'what is in no compartment',
    opens: 'ehr',
    asks: gets(
      '/Location/hidden-w',
      '/Practitioner/hidden-s',
      '/Task/hidden-t',
      '/Practitioner/hidden-s/_history',
      '/Task?_tag=shared',
    ),
  },
  {
    name: '$everything',
    asks: [
      ...gets(
        '/Patient/hidden/$everything',
        '/Patient/public/$everything',
        '/Patient/$everything',
        '/Patient/public/$everything?start=2024-01-01&_type=Observation',
      ),
      paged('/Patient/public/$everything?_count=4'),
      send('POST', '/Patient/public/$everything', parameters({ name: '_count', valueInteger: 100 })),
    ],
  },
  {
    name: '$lastn',
    asks: [
      ...gets(
        '/Observation/$lastn?patient=public,hidden&category=laboratory&max=5',
        '/Observation/$lastn?subject:Patient.given=robin&code=c0,c1',
      ),
      send(
        'POST',
        '/Observation/$lastn',
        parameters(
          { name: 'patient', valueString: 'Patient/public' },
          { name: 'code', valueString: 'c0,c1,c2' },
          { name: 'max', valuePositiveInt: 3 },
        ),
      ),
    ],
  },
  {
    name: '$document',
    asks: [
      ...gets(
        '/Composition/hidden-c/$document',
        '/Composition/$document?id=veiled-c',
        '/Composition/public-c2/$document',
      ),
      send('POST', '/Composition/hidden-c/$document', parameters()),
    ],
  },
  {
    name: '$meta',
    asks: [...gets('/$meta', '/Observation/$meta', '/Observation/hidden-o0/$meta', '/Patient/hidden/$meta')],
  },
  {
    name: '$validate',
    shows: /No errors were found|"severity":"warning"/,
    asks: gets('/Observation/hidden-o0/$validate', '/Condition/veiled-d/$validate'),
  },
  { name: '$ledger-id', shows: /sid\/patient-id/, asks: gets('/Patient/hidden/$ledger-id') },
  {
    name: 'GraphQL nested',
    asks: [
      ...[
        '{ PatientList(given: "robin") { id name { family } ObservationList(_reference: patient) { id note { text } } } }',
        '{ DiagnosticReport(id: "public-r") { id result { resource(optional: true) { ... on Observation { id note { text } subject { resource(optional: true) { ... on Patient { birthDate } } } } } } } }',
        '{ Observation(id: "public-o0") { DiagnosticReportList(_reference: result) { id conclusion } } }',
        '{ ObservationConnection(_count: 2, _sort: "date") { count next edges { resource { id note { text } } } } }',
        '{ ObservationConnection(code: "c0") { count edges { resource { id note { text } } } } }',
        '{ EncounterConnection { count } }',
        '{ Patient(id: "hidden") { name { family } } }',
        '{ ObservationList(subject: "Patient/hidden", fhirpath: "note.exists()") { id note { text } } }',
      ].map(graphql),
      get(`/Patient/hidden/$graphql?query=${encodeURIComponent('{ name { family } }')}`),
      get(`/$graphql?query=${encodeURIComponent('{ Observation(id: "veiled-o0") { note { text } } }')}`),
      send('POST', '/Patient/public/$graphql', '{ ObservationList(_reference: patient) { id note { text } } }', {
        'content-type': 'application/graphql',
      }),
    ],
  },
  {
    name: 'batch',
    asks: [
      send(
        'POST',
        '',
        bundle(
          'batch',
          [
            ...[
              'Patient/hidden',
              'Observation/veiled-o0',
              'Observation/hidden-o2/_history/1',
              'Observation?code=c0',
              'Patient/hidden/*',
            ],
            ...[
              'DiagnosticReport?_include=*',
              'Observation/_history?_count=50',
              'Patient/hidden/$everything',
              'Composition/hidden-c/$document',
            ],
          ].map((url) => ({ method: 'GET', url })),
        ),
      ),
      send('POST', '', bundle('batch', [{ method: 'GET', url: 'Observation/hidden-o0', ifNoneMatch: 'W/"1"' }])),
    ],
  },
  {
    name: 'transaction',
    asks: [
      ...['Patient/hidden', 'Observation?code=c0', 'Patient/public/$everything'].map((url) =>
        send('POST', '', bundle('transaction', [{ method: 'GET', url }])),
      ),
      send(
        'POST',
        '',
        bundle('transaction', [
          { method: 'GET', url: 'Patient/public' },
          { method: 'GET', url: 'Observation/veiled-o1' },
        ]),
      ),
    ],
  },
  {
    name: 'terminology',
    opens: 'ehr',
    asks: [
      ...gets(
        ...[
          '/CodeSystem/$lookup?system=urn:example:hidden-cs&code=a',
          '/ValueSet/$expand?url=urn:example:hidden-vs',
          '/ValueSet/hidden-vs/$expand',
        ],
        ...[
          '/CodeSystem/$validate-code?url=urn:example:hidden-cs&code=a',
          '/CodeSystem/hidden-cs/$validate-code?code=a',
        ],
        ...[
          '/CodeSystem/$subsumes?system=urn:example:hidden-cs&codeA=a&codeB=b',
          '/CodeSystem/hidden-cs/$subsumes?codeA=a&codeB=b',
        ],
        ...['/ValueSet/$validate-code?url=urn:example:hidden-vs&code=a&system=urn:example:hidden-cs'],
        ...[
          '/ValueSet/hidden-vs/$validate-code?code=a&system=urn:example:hidden-cs',
          '/CodeSystem?url=urn:example:hidden-cs',
        ],
      ),
      send(
        'POST',
        '/ValueSet/$expand',
        parameters({
          name: 'valueSet',
          resource: {
            resourceType: 'ValueSet',
            status: 'active',
            compose: { include: [{ valueSet: ['urn:example:hidden-vs'] }] },
          },
        }),
      ),
      send(
        'POST',
        '/CodeSystem/$lookup',
        parameters({ name: 'system', valueUri: 'urn:example:hidden-cs' }, { name: 'code', valueCode: 'a' }),
      ),
      send('POST', '/CodeSystem/hidden-cs/$validate-code', parameters({ name: 'code', valueCode: 'a' })),
    ],
  },
  {
    name: 'AuditEvent',
    opens: 'auditor',
    shows: /Patient\/hidden/,
    asks: [
      ...gets(
        '/AuditEvent?patient=Patient/hidden',
        '/AuditEvent?entity=Observation/hidden-o0',
        '/AuditEvent/_history?_count=3',
      ).map((ask, i) => (i === 2 ? indifferent(ask) : ask)),
      ...gets('/Provenance?target=Observation/hidden-o0', '/Patient?_has:AuditEvent:patient:outcome=0').map(
        indifferent,
      ),
    ],
  },
  {
    name: 'error text',
    shows: /^/,
    asks: [
      ...gets(
        '/Observation/hidden-o0/_history/7',
        '/Observation/hidden-o0/_history/x',
        '/Patient/hidden/_history?_bogus=1',
        '/Observation/hidden-o0?_elements=bogus',
      ),
      ...gets(
        '/Observation?subject=Patient/hidden&_sort=bogus',
        '/Observation?hidden=1',
        '/Patient/hidden/Bogus',
        '/Patient/hidden/$bogus',
        '/Composition/hidden-c/$document?persist=true',
      ),
      get('/Observation/hidden-o0', { 'if-none-match': 'W/"x"' }),
      get('/Observation/hidden-o0', { accept: 'image/png' }),
      graphql('{ Observation(id: "hidden-o0") { bogus } }'),
      graphql('{ DiagnosticReport(id: "public-r") { result { resource { ... on Observation { id } } } } }'),
      send('POST', '/Patient/hidden/$everything', parameters({ name: 'bogus', valueString: 'x' })),
      send('DELETE', '/$bogus', undefined),
    ].map(indifferent),
  },
]

/** They tell nothing of any patient to anybody; asked all the same. */
export const OPEN_DOORS: readonly Ask[] = [
  ...gets(
    '/metadata',
    '/.well-known/smart-configuration',
    'origin:/health/live',
    'origin:/health/ready',
    'origin:/metrics',
  ),
  ...gets(
    'origin:/ipfs/bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy?format=raw',
    'origin:/oauth/jwks',
    'origin:/nothing/hidden-o0',
  ),
]

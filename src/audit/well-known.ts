import { indexValues } from '../fhir/search-parameters.js'
import type { ValidResource } from '../fhir/types.js'
import type { WellKnownValues } from '../records/well-known.js'
import { type AuditSource, auditEvents, SharedParts } from './balp.js'
import type { Occurrence } from './occurrence.js'

/** One of each form that an AuditEvent of ours takes. */
const INTERACTIONS = [
  ...['create', 'read', 'vread', 'update', 'patch', 'delete', 'batch', 'transaction', 'capabilities'],
  ...['search-type', 'search-system', 'search-compartment', 'history-instance', 'history-type', 'history-system'],
  '$graphql',
]
const OUTCOMES = ['0', '4', '8', '12'] as const

/** What the AuditEvents of a gateway have in common by their form, whatever happened to whom: read off their index. */
export function wellKnownOfTrail(source: AuditSource): WellKnownValues {
  const strings = new Map<string, string>()
  const codes = new Map<string, { system: string; code: string }>()
  const addCode = (system: string | undefined, code: string | undefined): void => {
    if (system !== undefined && code !== undefined) codes.set(JSON.stringify([system, code]), { system, code })
  }
  for (const { resource, shared, entity } of INTERACTIONS.flatMap((interaction) => examples(interaction, source))) {
    // The parts of an AuditEvent, put together as the trail does.
    for (const value of indexValues({ ...shared, ...resource, entity } as unknown as ValidResource)) {
      if (value.kind === 'string') strings.set(value.value, value.normal)
      else if (value.kind === 'token') addCode(value.system, value.code)
      else if (value.kind === 'reference') addCode(value.identifier?.system, value.identifier?.value)
    }
  }
  return {
    strings: Array.from(strings, ([value, normal]) => ({ value, normal })),
    codes: [...codes.values()],
  }
}

/** Done by the gateway itself, whose address and party are the same in every record; with all kinds of entities. */
function examples(interaction: string, source: AuditSource) {
  return OUTCOMES.flatMap((outcome) => {
    const occurrence: Occurrence = {
      interaction,
      outcome,
      recorded: 0,
      requestId: '-',
      agent: { self: true },
      patients: [{ id: `0x${'0'.repeat(64)}`, reference: 'Patient/-' }],
      data: [{ reference: 'Basic/-', version: 1 }],
      authorisation: { reference: 'Consent/-', version: 1 },
    }
    return [occurrence, { ...occurrence, query: '?' }].flatMap((one) => auditEvents(one, source, new SharedParts()))
  })
}

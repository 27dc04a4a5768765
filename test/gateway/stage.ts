import { parseScope, type Scope } from '../../src/auth/scopes.js'
import type { Principal } from '../../src/auth/principal.js'
import type { GrantWord } from '../../src/consent/decide.js'
import type { ConsentMirror } from '../../src/consent/mirror.js'
import type { PatientId } from '../../src/consent/permit.js'
import { Sensitivity } from '../../src/fhir/sensitivity.js'
import { Access } from '../../src/gateway/access.js'
import { disclose } from '../../src/gateway/disclose.js'
import type { InteractionRequest } from '../../src/gateway/interaction.js'
import type { GatewayParts } from '../../src/gateway/parts.js'
import { Trail } from '../../src/gateway/trail.js'
import type { Occurrence } from '../../src/audit/occurrence.js'
import type { KnownPatient } from '../../src/gateway/patients.js'
import type { Change, StoredVersion } from '../../src/records/types.js'

export const id = (n: number) => `0x${n.toString(16).padStart(64, '0')}` as const
const NOW = 1_800_000_000_000

/** An Observation `name` of a patient, by another entity. */
export function rowOf(name: string, patient: PatientId): StoredVersion {
  const subject = { patient, origin: id(9), labels: 1n, categories: 1n }
  const row = { type: 'Observation', id: name, version: 1, lastUpdated: NOW, deleted: false, source: null, ...subject }
  return row as unknown as StoredVersion // what reads look at
}

const word: GrantWord = {
  patient: id(1),
  grantee: id(2),
  labels: 1n,
  action: 'read',
  from: 0,
  to: NOW,
  purposes: 0xffff,
  categories: 1n,
}
export const principal = {
  clientId: 'c',
  entity: id(2),
  role: 'system',
  scopes: [parseScope('system/*.cruds') as Scope],
  purposes: ['TREAT'],
} as unknown as Principal // what decisions look at
export const request = {
  principal,
  interaction: 'read',
  method: 'GET',
  params: [],
  headers: {},
  requestId: 'r',
  clientAddress: '::1',
  baseUrl: 'http://here.example/fhir',
} as InteractionRequest

/** A mirror in memory, in which two patients have granted, and a vault that does something while it opens or seals. */
export class Stage {
  granted: readonly GrantWord[] = [word, { ...word, patient: id(3) }]
  active = true
  revision = 0
  /** How often the mirror was asked. */
  asked = 0
  /** What was made durable in the trail, in its order. */
  readonly audited: Occurrence[] = []
  /** Commits of versions. */
  written = 0
  rows: readonly StoredVersion[] = []
  /** Local Patients. */
  known = (): Map<string, KnownPatient> => new Map()
  whileWorking = (): void => undefined
  readonly access = new Access(
    this as unknown as ConsentMirror, // the part of it that decisions read
    () => ({ confirmedAt: NOW, limitMs: 1000 }),
    () => NOW,
  )
  readonly parts = {
    entity: id(2),
    baseUrl: request.baseUrl,
    access: this.access,
    clock: () => NOW,
    audit: { records: (occurrences: Occurrence[]) => occurrences },
    patients: {
      localIds: async () => new Map(),
      known: async () => this.known(),
    },
    conformance: { judge: async () => [], valid: async (resource: unknown) => resource },
    consents: { of: async () => [] },
    sensitivity: new Sensitivity([]),
    index: { entries: () => [], facts: () => null },
    committed: () => undefined,
    limits: { maxBundleEntries: 10 },
    records: {
      read: async (refs: { id: string }[]) => refs.map((ref) => this.rows.find((row) => row.id === ref.id) ?? null),
      asIf: (_: unknown, work: () => Promise<unknown>) => work(),
      commit: async ({ audit, versions = [], present = [] }: Change & { audit: Occurrence[] }) => {
        const localIds = present.filter((name) => this.known().get(name)?.state !== 'present')
        if (localIds.length > 0) return { committed: false, conflicts: [{ kind: 'absent', localIds }] }
        this.audited.push(...audit)
        if (versions.length > 0) this.written++
        return { committed: true }
      },
    },
    bodies: {
      open: async (_: unknown, rows: StoredVersion[]) => {
        this.whileWorking()
        return rows.map((row) => Buffer.from(JSON.stringify({ resourceType: 'Observation', id: row.id })))
      },
      seal: async (bodies: unknown[]) => {
        this.whileWorking()
        return bodies.map(() => ({}))
      },
    },
  } as unknown as GatewayParts // the parts that a disclosure or a small write uses

  /** The ledger says so, and the mirror has heard it. */
  revoke(patient: PatientId): void {
    this.granted = this.granted.filter((each) => each.patient !== patient)
    this.revision++
  }

  async words(patients: readonly PatientId[]): Promise<readonly GrantWord[]> {
    return this.granted.filter((each) => patients.includes(each.patient))
  }

  async activeParties(): Promise<Set<string>> {
    this.asked++
    return new Set(this.active ? [id(2)] : [])
  }

  async read(row: StoredVersion, trail = new Trail()): Promise<Uint8Array[]> {
    const permit = await this.access.permit(principal, 'read', [row])
    return disclose(this.parts, request, trail, permit, [row], { interaction: 'read' })
  }
}

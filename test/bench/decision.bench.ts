import { createHash, randomBytes } from 'node:crypto'
import { loadavg } from 'node:os'
import { describe, it } from 'vitest'
import type { Principal } from '../../src/auth/principal.js'
import { parseScope, type Scope } from '../../src/auth/scopes.js'
import type { Clause } from '../../src/clauses/clause.js'
import { decide, type GrantWord } from '../../src/consent/decide.js'
import { ALL_LABELS, GENERAL } from '../../src/consent/labels.js'
import { type PatientId, patientsOf, type RecordSubject } from '../../src/consent/permit.js'
import { ACTIONS, ALL_CATEGORIES, OPEN_END } from '../../src/consent/terms.js'
import type { ValidResource } from '../../src/fhir/types.js'
import type { Access } from '../../src/gateway/access.js'
import type { PutIntent } from '../../src/gateway/intent.js'
import type { InteractionRequest } from '../../src/gateway/interaction.js'
import type { GatewayParts } from '../../src/gateway/parts.js'
import { searchType } from '../../src/gateway/search.js'
import { Trail } from '../../src/gateway/trail.js'
import { write } from '../../src/gateway/write.js'
import type { Database } from '../../src/records/database.js'
import type { RowFilter } from '../../src/records/types.js'
import { hospital } from '../audit/support/hospital.js'
import { partsOf } from '../gateway/hospital-parts.js'
import { ENGINES } from '../records/open.js'
import { type Cost, cost, of, print } from './records/cost.js'

/**
 * `npx vitest bench --run test/bench/decision.bench.ts`, with DATABASE_URL also on PostgreSQL: what the consent decision costs a search. 1,000 patients
 * have ten Observations each and 100 grants each, one of them the clinic's that asks. The same search without consent has it left out by the wiring:
 * the filter is `true` and every permit is given; sealing, audit and everything else are as they are. Both take turns. The target: at most 1.3 times,
 * and no query more whatever is found. `cpu` is processor time of all threads of this process, PGlite's among them; PostgreSQL's own is not in it.
 */
const PATIENTS = 1_000
const OBSERVATIONS = 10
const GRANTS = 100
const ROUNDS = 60
const AT_ONCE = 50
const CODES = 'urn:example:codes'

const party = (): PatientId => `0x${randomBytes(32).toString('hex')}`
const clinic = party()
const others = Array.from({ length: GRANTS - ACTIONS.length - 1 }, party)
const bytes = (id: string): Buffer => Buffer.from(id.slice(2), 'hex')

describe.each(ENGINES)('$name', { timeout: 1_800_000 }, (engine) => {
  it('a search over 1,000 patients with 100 grants each', async () => {
    const h = await hospital(engine)
    const { database, records } = h
    const parts = await partsOf(h, Date.now, {
      admit: (patients) =>
        grant(
          database,
          h.entity,
          patients.map(({ id }) => id),
        ),
    })
    await activate(database, [h.entity, clinic])
    await load(parts)
    await database.query('ANALYZE')
    const { rows } = await database.query<{ grants: bigint; patients: bigint }>(
      'SELECT count(*) AS grants, count(DISTINCT patient) AS patients FROM "grant"',
    )
    print(`${engine.name}: load average ${loadavg()[0]?.toFixed(1)}`, ...figuresOf(rows[0]))

    const principal = principalOf(clinic)
    const bare: GatewayParts = { ...parts, access: withoutConsent() }
    const filters = { with: await parts.access.filter(principal, 'read'), without: EVERYTHING }
    const code: Clause = { is: 'filter', param: 'code', kind: 'token', values: [{ code: 'c1' }] }
    for (const total of [false, true]) {
      const statement = (filter: RowFilter) => () =>
        records.search({ type: 'Observation', clauses: [code], count: 50, total }, filter)
      await compare(`${engine.name}: the statement, Observation?code${total ? ', total' : ''}`, database, {
        with: statement(filters.with),
        without: statement(filters.without),
      })
    }
    for (const [type, query] of SEARCHES) {
      const asked = (of: GatewayParts) => () => searchType(of)(requestOf(principal, type, query))
      await compare(`${engine.name}: ${type}?${query}`, database, { with: asked(parts), without: asked(bare) })
    }
    await h.stop()
  })
})

const SEARCHES: readonly (readonly [type: string, query: string])[] = [
  ['Observation', 'code=c1'],
  ['Observation', 'code=c1&_total=none'],
  ['Observation', 'code=c1&_total=accurate&_count=10'],
  ['Observation', 'date=ge2020&_sort=-date&_count=20'],
  ['Observation', 'patient=p500'],
  ['Patient', 'gender=other&_count=20'],
  ['Observation', 'code=c1&_include=Observation:patient&_count=20'],
]

interface Pair {
  readonly with: () => Promise<unknown>
  readonly without: () => Promise<unknown>
}

async function compare(what: string, database: Database, pair: Pair): Promise<void> {
  const costs = { with: [] as Cost[], without: [] as Cost[] }
  const statements = {
    with: await statementsOf(database, pair.with),
    without: await statementsOf(database, pair.without),
  }
  for (let round = 0; round < ROUNDS; round++) {
    const order = round % 2 === 0 ? (['with', 'without'] as const) : (['without', 'with'] as const)
    for (const one of order) costs[one].push(await cost(pair[one]))
  }
  print(
    what,
    [of(costs.with, 'wall'), 'ms'],
    [of(costs.with, 'wall') / of(costs.without, 'wall'), 'times without'],
    [of(costs.with, 'cpu') / of(costs.without, 'cpu'), 'times, cpu'],
    [statements.with, 'statements'],
    [statements.without, 'without'],
  )
}

async function statementsOf(database: Database, work: () => Promise<unknown>): Promise<number> {
  let sent = 0
  const methods = ['query', 'run', 'execute', 'session'] as const
  const own = database as unknown as Record<string, unknown> // replaced for one call
  for (const name of methods) {
    const method = (database[name] as (...given: unknown[]) => unknown).bind(database)
    own[name] = (...given: unknown[]) => {
      sent++
      return method(...given)
    }
  }
  await work()
  for (const name of methods) delete own[name]
  return sent
}

const EVERYTHING: RowFilter = { sql: 'true', params: [] }

/** Every decision is yes; a permit can be made by the decision alone, so it is asked with words that cover everything. */
function withoutConsent(): Access {
  const word = (patient: PatientId): GrantWord => ({
    ...{ patient, grantee: clinic, labels: ALL_LABELS, action: 'read', categories: ALL_CATEGORIES },
    ...{ from: 0, to: OPEN_END, purposes: 0xff },
  })
  return {
    permit: async (_: Principal, action: 'read', subjects: readonly RecordSubject[]) => {
      const now = Date.now()
      const words = subjects.flatMap(patientsOf).map(word)
      const decision = decide(
        { action, purpose: 'TREAT', parties: [clinic], subjects },
        { now, freshness: { confirmedAt: now, limitMs: 1 }, activeParties: new Set([clinic]), words },
      )
      if ('denial' in decision) throw new Error(decision.denial.reason)
      return decision.permit
    },
    confirm: async () => undefined,
    isCurrent: () => true,
    filter: async () => EVERYTHING,
  } as unknown as Access // what a search asks
}

async function load(parts: GatewayParts): Promise<void> {
  const principal = principalOf(parts.entity)
  for (let at = 0; at < PATIENTS; at += AT_ONCE) {
    const resources = Array.from({ length: AT_ONCE }, (_, i) => recordOf(at + i)).flat()
    const intents = resources.map((resource): PutIntent => {
      const { resourceType: type, id } = resource as unknown as { resourceType: string; id: string }
      return { kind: 'update', method: 'PUT', type, id, resource, at: type }
    })
    await write(parts, requestOf(principal, 'Patient', ''), new Trail(), intents)
  }
}

function recordOf(i: number): ValidResource[] {
  const subject = { reference: `Patient/p${i}` }
  const observations = Array.from({ length: OBSERVATIONS }, (_, n) => ({
    resourceType: 'Observation',
    id: `p${i}-o${n}`,
    status: 'final',
    code: { coding: [{ system: CODES, code: `c${n % 2}` }] },
    subject,
    effectiveDateTime: `20${10 + n}-01-${String((i % 28) + 1).padStart(2, '0')}`,
    note: [{ text: createHash('sha256').update(`${i} ${n}`).digest('hex') }],
  }))
  const patient = { resourceType: 'Patient', id: `p${i}`, gender: 'other', birthDate: '1970-01-01' }
  return [patient, ...observations] as unknown as ValidResource[] // made here, of R4
}

/** As the ledger's mirror has them: the care grant of the entity, the clinic's, and those of parties that do not ask. */
async function grant(database: Database, entity: PatientId, patients: readonly PatientId[]): Promise<void> {
  const words = patients.flatMap((patient) => [
    ...ACTIONS.map((_, action) => [patient, entity, action, ALL_LABELS] as const),
    ...[clinic, ...others].map((grantee) => [patient, grantee, 0, GENERAL] as const),
  ])
  await database.query(
    `INSERT INTO "grant" (patient, grantee, action, label_mask, valid_from, valid_to, purposes, categories, epoch, flags)
     SELECT patient, grantee, action, label, 0, $5, 255, -1, 1, 0
     FROM unnest($1::bytea[], $2::bytea[], $3::smallint[], $4::bigint[]) AS i(patient, grantee, action, label)`,
    [
      words.map(([patient]) => bytes(patient)),
      words.map(([, grantee]) => bytes(grantee)),
      words.map(([, , action]) => action),
      words.map(([, , , label]) => label),
      OPEN_END,
    ],
  )
}

async function activate(database: Database, parties: readonly PatientId[]): Promise<void> {
  await database.query(
    `INSERT INTO party (id, kind, status, valid_from, valid_to, body)
     SELECT id, 'entity', 'active', 0, $2, '{}' FROM unnest($1::bytea[]) AS i(id) ON CONFLICT DO NOTHING`,
    [parties.map(bytes), OPEN_END],
  )
}

const principalOf = (entity: PatientId): Principal => ({
  clientId: 'bench',
  entity,
  role: 'system',
  scopes: [parseScope('system/*.cruds') as Scope],
  purposes: ['TREAT'],
  tokenId: '',
  expiresAt: Infinity,
})

const requestOf = (principal: Principal, type: string, query: string): InteractionRequest => ({
  principal,
  interaction: 'search-type',
  method: 'GET',
  type,
  params: [...new URLSearchParams(query)],
  headers: {},
  requestId: 'bench',
  clientAddress: '::1',
  baseUrl: 'https://hospital.example/fhir',
})

const figuresOf = (counted?: { grants: bigint; patients: bigint }) =>
  [
    [Number(counted?.grants), 'grants of'],
    [Number(counted?.patients), 'patients'],
  ] as const

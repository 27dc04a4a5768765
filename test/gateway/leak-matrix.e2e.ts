import { Wallet } from 'ethers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Hex } from '../../src/ledger/hex.js'
import { type Ask, get, graphql, insteadOf, send } from './leak-matrix/asking.js'
import type { Told } from './leak-matrix/caller.js'
import { DOORS, isAskedBy, isAt, type Listed, passages, routesOfTable } from './leak-matrix/coverage.js'
import { type Door, OPEN_DOORS, READ_DOORS } from './leak-matrix/doors.js'
import { asked, LEAVING, SEEING, type Situation, SITUATIONS } from './leak-matrix/situations.js'
import { absentNames, nameless, namesOfHidden } from './leak-matrix/names.js'
import { admit, askWhileRevoked, dismiss } from './leak-matrix/revoking.js'
import { Stage } from './leak-matrix/stage.js'
import { MARKERS } from './leak-matrix/world.js'
import { type Named, type WriteDoor, writeDoors } from './leak-matrix/write-doors.js'

/*
 * The leak matrix: every door of the gateway, in every situation in which a party may not see what is behind it. A party learns nothing
 * if it is told letter for letter what it is told where the hidden records do not exist at all:
 *
 * - reading doors are asked before anything hidden is there, and after;
 * - writing doors are asked about what is hidden, and about what has never been.
 *
 * The markers that are planted in all that is hidden are looked for besides. A party with a grant asks everything too, and sees: a door that
 * tells nothing to anybody proves nothing. Each route and operation that the gateway serves must be asked here, or the test fails.
 *
 * Timing is not timed. A refusal of what is hidden sends as many statements to the database as one of what is not there, and a block is fetched
 * for a row of the answer alone, of which both have none.
 */
let stage: Stage
let named: Named
/** What is said where nothing is hidden, by how a party's own patient is answered: the same to all of whom that is the same. */
const before = new Map<number, ReadonlyMap<Door, readonly Told[]>>()

/** At once: what is recorded of them is committed together. */
const answers = (situation: Situation, asks: readonly Ask[]): Promise<Told[]> =>
  Promise.all(asks.map((ask) => stage.ask(situation, ask)))

/** What writing doors say of what is not there. */
const nothing = new Map<string, string>()

const marked = (raw: string): string[] => MARKERS.filter((marker) => raw.includes(marker))
const WRITE_NAMES = writeDoors({ wallet: '0x', ledgerId: '0x', auditEvent: '', provenance: '' }).map(({ name }) => name)
/** Named by id, what is in nobody's compartment: it is of no patient, and less is asked about it than about what is not there. */
const OF_NOBODY = /^\/(CodeSystem|ValueSet|Location|Practitioner|Task)\/hidden/
const HIDDEN = ['/Patient/hidden', '/Observation/veiled-o0']

beforeAll(async () => {
  stage = await Stage.open()
  for (const situation of SITUATIONS.filter(({ own }, i) => SITUATIONS.findIndex((each) => each.own === own) === i)) {
    const suspended = situation.afterwards === 'suspended'
    if (suspended) await stage.suspend(situation.name, true)
    await stage.until(situation, '/Patient/public', situation.own)
    const told = new Map<Door, readonly Told[]>()
    for (const door of READ_DOORS) told.set(door, await answers(situation, asked(situation, door.asks)))
    before.set(situation.own, told)
    if (suspended) await stage.suspend(situation.name, false)
  }
  await stage.hide()
  for (const situation of [SEEING, ...SITUATIONS.filter(({ afterwards }) => afterwards !== undefined)]) {
    for (const path of HIDDEN) await stage.until(situation, path, 200)
  }
  for (const { name, afterwards } of SITUATIONS) {
    if (afterwards === 'revoked') {
      await stage.revoke('hidden', name)
      await stage.revoke('public', name)
    }
    if (afterwards === 'suspended') await stage.suspend(name, true)
  }
  for (const situation of SITUATIONS.filter(({ afterwards }) => afterwards !== undefined)) {
    for (const path of HIDDEN) await stage.until(situation, path, 403)
  }
  named = {
    wallet: Wallet.createRandom().address.toLowerCase() as Hex,
    ledgerId: stage.ledgerId('hidden'),
    auditEvent: await stage.idOf('auditor', '/AuditEvent?patient=Patient/hidden&_count=1'),
    provenance: await stage.idOf('auditor', '/Provenance?_count=1'),
  }
}, 300_000)
afterAll(() => stage?.close())

describe.each(SITUATIONS)('reading: $name', (situation) => {
  it('is the situation that is meant', async () => {
    expect((await stage.ask(situation, get('/Patient/public'))).status).toBe(situation.own)
  })

  it.each(READ_DOORS)('tells nothing by $name', async (door) => {
    const known = before.get(situation.own)?.get(door) ?? []
    for (const [i, told] of (await answers(situation, asked(situation, door.asks))).entries()) {
      const ask = door.asks[i] as Ask
      expect(marked(told.raw), label(ask)).toEqual([])
      expect(told.said, label(ask)).toBe(known[i]?.said)
      expect(told.status, label(ask)).not.toBe(500)
      if (told.statements !== known[i]?.statements && !OF_NOBODY.test(ask.path)) await expectAsMuchWork(situation, ask)
    }
  })
})

/** Keys of rows are taken from the database by the hundred, so a difference may be by chance. */
async function expectAsMuchWork(situation: Situation, ask: Ask): Promise<void> {
  const [there, nowhere] = [new Set<number>(), new Set<number>()]
  for (let i = 0; i < 3 && there.isDisjointFrom(nowhere); i++) {
    there.add((await stage.ask(situation, ask)).statements)
    nowhere.add((await stage.ask(situation, insteadOf(ask, absentNames(named)))).statements)
  }
  const told = `${label(ask)}: ${[...there].join()} statements for ${[...nowhere].join()}`
  expect(there.isDisjointFrom(nowhere), told).toBe(false)
}

describe.each(SITUATIONS)('writing: $name', (situation) => {
  const { name: caller, ahead, own } = situation
  it.each(WRITE_NAMES)('tells nothing by %s', async (name) => {
    for (const [i, ask] of asked(situation, doorOf(name).asks).entries()) {
      const known = `${own} ${name} ${i}`
      const nowhere = nothing.get(known) ?? (await ofNothing(caller, ask, ahead)).said
      nothing.set(known, nowhere)
      const there = await ofHidden(caller, ask, ahead)
      expect(marked(there.raw), label(ask)).toEqual([])
      expect(there.said, label(ask)).toBe(nowhere)
      expect(there.status, label(ask)).not.toBe(500)
    }
  })
})

const doorOf = (name: string): WriteDoor => writeDoors(named).find((door) => door.name === name) as WriteDoor
const label = ({ method, path, body }: Ask): string => `${method} ${path} ${JSON.stringify(body ?? '')}`.slice(0, 300)

/** What a writing door says of what is hidden. */
function ofHidden(name: string, ask: Ask, ahead?: number): Promise<Told> {
  return written(name, ask, namesOfHidden(named), ahead)
}

/** The same of what is not there. */
function ofNothing(name: string, ask: Ask, ahead?: number): Promise<Told> {
  const others = absentNames(named)
  return written(name, insteadOf(ask, others), Object.values(others), ahead)
}

async function written(name: string, ask: Ask, names: readonly string[], ahead = 0): Promise<Told> {
  const told = await stage.callers.ask(name, ask, { 'x-clock': String(ahead) })
  return { ...told, said: nameless(told.said, names) }
}

describe('what tells nothing of patients', () => {
  it.each(OPEN_DOORS)('tells nothing: $path', async (ask) => {
    const { raw } = await stage.ask(SEEING, ask)
    expect(marked(raw)).toEqual([])
  })
})

describe('after all of this', () => {
  it('nothing hidden was changed', async () => {
    const { raw } = await stage.callers.ask(
      'ehr',
      get('/?_type=Patient,Observation,Condition,Task,Composition,Binary,Consent,Group&_tag=Quillmarrow&_count=100'),
    )
    const versions = [...raw.matchAll(/"versionId":"(\d+)"/g)].map(([, version]) => version)
    expect(versions.length).toBeGreaterThan(15)
    expect(new Set(versions)).toEqual(new Set(['1']))
  })
})

describe('who has a grant', () => {
  it.each(READ_DOORS)('sees by $name', async (door) => {
    const { asks, opens = SEEING.name, shows } = door
    const known = before.get(200)?.get(door) ?? []
    const told = await Promise.all(asks.map((ask) => stage.callers.ask(opens, ask)))
    for (const [i, ask] of asks.entries()) {
      if (ask.indifferent !== true) expect(told[i]?.said, label(ask)).not.toBe(known[i]?.said)
    }
    const raw = told.map((each) => each.raw).join('\n')
    if (shows === undefined) expect(marked(raw)).not.toEqual([])
    else expect(raw).toMatch(shows)
  })

  it.each(WRITE_NAMES)('is answered otherwise by %s', async (name) => {
    const { asks, opens = SEEING.name, indifferent = false } = doorOf(name)
    for (const ask of indifferent ? [] : asks) {
      const nowhere = (await ofNothing(opens, ask)).said
      const there = await ofHidden(opens, ask)
      expect(there.said, label(ask)).not.toBe(nowhere)
      if (ask.method !== 'GET' && there.status < 300) await stage.putHidden((id) => JSON.stringify(ask).includes(id))
    }
  })
})

const CONNECTION = (cursor?: string): string =>
  `{ ObservationConnection(${cursor === undefined ? '_count: 2, _sort: "date"' : `_cursor: "${cursor}"`}) { next count edges { resource { id note { text } } } } }`

/** Each is stopped before a statement that it sends, and the permission taken back meanwhile. */
const IN_FLIGHT: readonly Ask[] = [
  graphql(
    '{ ObservationList(identifier: "hidden-o0") { id note { text } subject { resource(optional: true) { ... on Patient { birthDate } } } } }',
  ),
  send(
    'POST',
    '/Observation',
    {
      resourceType: 'Observation',
      status: 'final',
      code: { text: 'x' },
      subject: { reference: 'Patient/public' },
    },
    { 'if-none-exist': 'identifier=urn:example:obs|hidden-o0', prefer: 'return=representation' },
  ),
]

describe('after a revocation', () => {
  const OPEN = [
    '/Observation?_count=1&_sort=date',
    '/?_type=Observation,Encounter&_count=2',
    '/Observation?_count=2&_sort=-date',
    '/Observation/_history?_count=2',
    '/_history?_count=5',
    '/Patient/$everything?_count=3',
    '/Observation/$lastn?patient=public,hidden&category=laboratory&max=5&_count=2',
  ]

  it('no page of a search from before shows what it may not', async () => {
    await admit(stage)
    const next = new Map<string, string>()
    for (const path of OPEN) {
      const { raw } = await stage.callers.ask(LEAVING.name, get(path))
      next.set(path, /"relation":"next","url":"([^"]+)"/.exec(raw)?.[1] ?? '')
    }
    const cursor =
      /"next":"([^"]+)"/.exec((await stage.callers.ask(LEAVING.name, graphql(CONNECTION()))).raw)?.[1] ?? ''
    const seen = async (path: string) =>
      marked((await stage.callers.ask(LEAVING.name, { ...get(next.get(path) ?? ''), pages: true })).raw)
    for (const path of OPEN) expect(await seen(path), path).not.toEqual([])
    expect(marked((await stage.callers.ask(LEAVING.name, graphql(CONNECTION(cursor)))).raw)).not.toEqual([])
    await dismiss(stage)
    for (const path of OPEN) expect(await seen(path), path).toEqual([])
    const { raw } = await stage.callers.ask(LEAVING.name, graphql(CONNECTION(cursor)))
    expect(marked(raw)).toEqual([])
    const now = await stage.callers.ask(LEAVING.name, graphql('{ ObservationConnection { count } }'))
    expect(/"count":(\d+)/.exec(raw)?.[1]).toBe(/"count":(\d+)/.exec(now.raw)?.[1])
  })

  it.each(IN_FLIGHT.map((ask) => [label(ask), ask] as const))(
    'nothing is answered that was asked before: %s',
    async (_, ask) => {
      expect(marked((await stage.callers.ask(LEAVING.name, ask)).raw)).toEqual([])
      await admit(stage)
      const { raw, turns } = await stage.callers.ask(LEAVING.name, ask)
      expect(marked(raw), 'it could have told').not.toEqual([])
      expect(turns).toBeGreaterThan(3)
      let stopped = 0
      for (const at of new Set([2, turns >> 1, turns - 1, turns])) {
        const told = await askWhileRevoked(stage, ask, at)
        if (told === null) continue
        stopped++
        expect(marked(told.raw), `before statement ${at} of ${turns}`).toEqual([])
        await admit(stage)
      }
      expect(stopped).toBeGreaterThan(1)
      await dismiss(stage)
    },
  )
})

describe('the matrix', () => {
  const passed = () =>
    [...[...READ_DOORS, ...writeDoors(named)].flatMap(({ asks }) => asks), ...OPEN_DOORS].flatMap(passages)

  it('has every route of the table', () => {
    const routes = new Set(passed().map(({ route }) => route))
    expect(routesOfTable().filter((route) => !routes.has(route))).toEqual([])
  })

  it('has every door of the issue that it was made for', () => {
    const names = new Set([...READ_DOORS, ...writeDoors(named)].map(({ name }) => name))
    expect(DOORS.filter((name) => !names.has(name))).toEqual([])
  })

  it('has every operation that is served', async () => {
    const { raw } = await stage.callers.ask('ehr', get('/$no-such-operation'))
    const served = /served are ([^"]+)\./.exec(raw)?.[1]?.split(', ') ?? []
    expect(served.length).toBeGreaterThan(30)
    const operations = [...new Set(passed().flatMap(({ operation = [] }) => operation))]
    expect(served.filter((place) => !operations.some((one) => isAt(place, one)))).toEqual([])
  })

  it('has everything that the CapabilityStatement lists', async () => {
    const { rest } = (await stage.gateway.ask('GET', '/metadata')).body as { rest: [Listed] }
    const [listed] = rest
    const interactions = new Set(passed().map(({ interaction }) => interaction))
    const told = [listed, ...listed.resource].flatMap(({ interaction = [] }) => interaction.map(({ code }) => code))
    const known = (code: string): boolean => interactions.has(code === 'batch' ? 'transaction' : code)
    expect([...new Set(told)].filter((code) => !known(code))).toEqual([])
    const operations = new Set(passed().flatMap(({ operation = '' }) => operation.split('$')[1] ?? []))
    const names = [listed, ...listed.resource].flatMap(({ operation = [] }) => operation.map(({ name }) => name))
    expect([...new Set(names)].filter((name) => !operations.has(name))).toEqual([])
  })

  it('has every route that Fastify has', async () => {
    const routes = (await stage.instrument('routes')) as string[]
    expect(routes).toContain('GET /fhir/*')
    const paths = OPEN_DOORS.map(({ path }) => (path.startsWith('origin:') ? path.slice(7) : `/fhir${path}`))
    expect([...new Set(routes)].filter((route) => !route.startsWith('OPTIONS ') && !isAskedBy(route, paths))).toEqual(
      [],
    )
  })
})

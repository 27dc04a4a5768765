/**
 * `npm run bench -- test/bench/growth.bench.ts`: what requests take while a gateway grows, in milliseconds over HTTP with everything on. The
 * gateways of all sizes run at once and are asked in turns, each about a copy of the same patient among its own, so their ratios hold
 * on a machine that others use too. On PostgreSQL with DATABASE_URL, on PGlite without. `GROWTH_SIZES` (10000,100000), `GROWTH_ROUNDS` (100),
 * `GROWTH_WARM_UP` (10 rounds), `GROWTH_KEEP` (a folder that keeps the populations for another run), `GROWTH_ONLY` (a regular expression of the names of what is measured).
 */
import { afterAll, expect, it } from 'vitest'
import { templates } from './growth/bundles.js'
import { type Operation, OPERATIONS, type Request, type Subject } from './growth/operations.js'
import { type Population, Populations } from './growth/populations.js'
import { processorTime } from './growth/processor-time.js'

const SIZES = (process.env['GROWTH_SIZES'] ?? '10000,100000').split(',').map(Number)
const ROUNDS = Number(process.env['GROWTH_ROUNDS'] ?? 100)
const ONLY = new RegExp(process.env['GROWTH_ONLY'] ?? '')
const WARM_UP = Number(process.env['GROWTH_WARM_UP'] ?? 10)

const shapes = templates()
const populations = new Populations(shapes, process.env['DATABASE_URL'] ?? null, process.env['GROWTH_KEEP'] ?? null)
afterAll(() => populations.close(), 120_000)

it('requests at every size', { timeout: 7_200_000 }, async () => {
  const grown = await populations.open(SIZES)
  const [smallest] = grown
  const asked = OPERATIONS.filter(({ name }) => ONLY.test(name))
  const times = new Map(asked.map((operation) => [operation, grown.map((): Cost[] => [])]))
  // A template that has a copy in the smallest population has one in each; the first is that of the patients who are written about.
  const [written = 0, ...read] = new Set(smallest?.people.map(({ template }) => template))
  for (const writes of [false, true]) {
    const those = asked.filter((operation) => (operation.writes ?? false) === writes)
    let processes: number[][] = []
    for (let round = -WARM_UP; round < (writes ? Math.ceil(ROUNDS / 2) : ROUNDS); round++) {
      const template = writes ? written : (read[(round + WARM_UP) % read.length] ?? 0)
      // the pool opens sessions when it needs them
      if (round % 5 === 0) processes = await Promise.all(grown.map((each) => each.processes()))
      for (const operation of those) {
        const found = new Set<number>()
        for (const [j, population] of grown.entries()) {
          const about = subject(population, template, round)
          const { cost, matches } = await measured(population, operation, about, processes[j] ?? [])
          found.add(matches)
          if (round >= 0) times.get(operation)?.[j]?.push(cost)
        }
        // the beginning of a name may be another's too where there are many
        if (operation.selective && !operation.name.includes('family'))
          expect(found, operation.name).toHaveProperty('size', 1)
      }
    }
  }
  for (const [{ name, selective }, each] of times) {
    const columns = each.map((costs) => {
      const [wall, cpu] = [costs.map((cost) => cost.wall), costs.map((cost) => cost.cpu)]
      return [quantile(wall, 0.5), quantile(wall, 0.99), quantile(cpu, 0.5)]
        .map((ms) => ms.toFixed(1).padStart(7))
        .join(' ')
    })
    const growth = (part: keyof Cost): string => {
      const [first = NaN, ...others] = each.map((costs) =>
        quantile(
          costs.map((cost) => cost[part]),
          0.5,
        ),
      )
      return ((others.at(-1) ?? first) / first).toFixed(2)
    }
    const ratios = `${growth('wall').padStart(6)} ${growth('cpu').padStart(5)}`
    console.log(`${name.padEnd(60)} ${columns.join(' |')} |${ratios}${selective ? '' : '  not selective'}`)
  }
  const sizes = grown.map(({ size }) => size).join(', ')
  console.log(
    `at ${sizes} resources: p50 and p99 of milliseconds, p50 of processor milliseconds of gateway and database; both p50 of the last to the first`,
  )
})

interface Cost {
  readonly wall: number
  readonly cpu: number
}

/** Some copy of the template, another in each round. */
function subject({ people }: Population, template: number, round: number): Subject {
  const copies = people.filter((person) => person.template === template)
  const person = copies[Math.abs(round * 7919) % copies.length]
  const shape = shapes[template]
  if (person === undefined || shape === undefined) throw new Error(`There is no copy of template ${template}.`)
  return { template: shape, person }
}

async function measured(population: Population, operation: Operation, about: Subject, processes: readonly number[]) {
  let request = operation.request(about)
  for (let page = 0; page < (operation.after ?? 0); page++) {
    const { text } = await send(population, request)
    const next = (JSON.parse(text) as { link: { relation: string; url: string }[] }).link.find(
      ({ relation }) => relation === 'next',
    )
    if (next === undefined) break
    request = { method: 'GET', path: next.url.slice(population.url.length + 1) }
  }
  const before = processorTime(processes)
  const { text, milliseconds } = await send(population, request)
  const cost: Cost = { wall: milliseconds, cpu: processorTime(processes) - before }
  return { cost, matches: (text.match(/"search":/g) ?? []).length }
}

async function send({ url, token }: Population, { method, path, body }: Request) {
  const authorization = `Bearer ${await token()}`
  const started = performance.now()
  const response = await fetch(path === '' ? url : `${url}/${path}`, {
    method,
    headers: { authorization, ...(body === undefined ? {} : { 'content-type': 'application/fhir+json' }) },
    ...(body === undefined ? {} : { body }),
  })
  const text = await response.text()
  const milliseconds = performance.now() - started
  if (!response.ok)
    throw new Error(`${method} ${url}/${path} was answered with ${response.status}: ${text.slice(0, 500)}`)
  return { text, milliseconds }
}

function quantile(values: readonly number[], at: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))] ?? NaN
}

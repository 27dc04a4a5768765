/**
 * npm run load -- <files or folders> [--url URL] [--parallel 4] [--verify N] [--state FILE] [--client FILE]
 * Loads FHIR Bundles and ndjson, also .gz, into a running gateway; src/cli/load/README.md says how it resumes.
 */
import { join } from 'node:path'
import { readConfig } from '../config.js'
import { demoClientFile, type DemoClient } from '../embedded/demo-clients.js'
import { commandLine } from './arguments.js'
import { GatewayClient, readJson } from './load/gateway-client.js'
import { Journal } from './load/journal.js'
import { Loader } from './load/loader.js'
import { showProgress } from './load/progress.js'
import { summary } from './load/refusals.js'
import { findSources } from './load/sources.js'
import { verify } from './load/verify.js'

const USAGE = `usage: npm run load -- <files or folders> [options]
  --url <FHIR base>    of the gateway; otherwise the one that runs on the data directory
  --parallel <n>       requests at a time (4)
  --verify <n>         read n of the loaded resources back and compare
  --patience <s>       how long to wait for a gateway that does not answer (120)
  --state <file>       what was loaded already (load-state.jsonl in the data directory)
  --client <file>      id, scopes and privateKey (JWK) of the client (the demo client ehr)`

async function main(): Promise<boolean> {
  const { positionals, values } = commandLine(USAGE, {
    allowPositionals: true,
    options: {
      url: { type: 'string' },
      parallel: { type: 'string', default: '4' },
      verify: { type: 'string', default: '0' },
      patience: { type: 'string', default: '120' },
      state: { type: 'string' },
      client: { type: 'string' },
    },
  })
  const [parallel, sample, patience] = [values.parallel, values.verify, values.patience].map(Number)
  const wrong =
    ![parallel, sample, patience].every((n) => Number.isSafeInteger(n) && (n as number) >= 0) || parallel === 0
  if (positionals.length === 0 || wrong) throw new Error(USAGE)

  const { dataDirectory } = readConfig()
  const clientFile = values.client ?? join(dataDirectory, demoClientFile('ehr'))
  const client = new GatewayClient({
    url: values.url,
    dataDirectory,
    client: await readJson<DemoClient>(clientFile, `There is no client at ${clientFile}; name one with --client.`),
    patienceMs: (patience as number) * 1000,
  })
  await client.baseUrl()
  const sources = await findSources(positionals)
  const journal = await Journal.open(values.state ?? join(dataDirectory, 'load-state.jsonl'))
  const loader = new Loader(client, journal, { parallel: parallel as number, patienceMs: (patience as number) * 1000 })

  const started = performance.now()
  const done = showProgress(loader.tally, process.stderr)
  await loader.load(sources).finally(done)
  const seconds = (performance.now() - started) / 1000
  const { resources, skipped, refused } = loader.tally
  console.log(
    `${resources} resources of ${sources.length} files in ${seconds.toFixed(1)} s, ${Math.round(resources / seconds)}/s` +
      `${skipped > 0 ? `; ${skipped} had been loaded before` : ''}; ${refused} refused`,
  )
  if (refused > 0) console.log(summary(loader.refusals))

  if (sample === 0) return refused === 0
  const { compared, differences } = await verify(sources, journal, client, sample as number)
  console.log(`${compared} resources read back, ${differences.length} differ from what was sent`)
  for (const { file, location, at } of differences) console.log(`    ${location} of ${file}: ${at.join(', ')}`)
  return refused === 0 && differences.length === 0
}

main().then(
  (everything) => (process.exitCode = everything ? 0 : 1),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  },
)

import 'reflect-metadata'
import { createServer as createSocketServer } from 'node:net'
import { relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { NestFactory } from '@nestjs/core'
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify'
import type { FastifyInstance } from 'fastify'
import { AppModule, compose, type Composition } from './app.module.js'
import { ConfigurationError, readConfig, type Config } from './config.js'
import { openDataDirectory } from './embedded/data-directory.js'
import { ConsentryError } from './errors.js'
import { Drain } from './http/drain.js'
import { isReady, type ReadinessCheck } from './http/health.js'
import { closeWhenAnswered, trackInFlight } from './http/in-flight.js'
import { FHIR_BASE, mountEdge } from './http/mount.js'
import { nestLogger } from './http/nest-logger.js'
import { createServer } from './http/server.js'

async function start(config: Config): Promise<void> {
  const port = await freePort(config.host, config.port).catch(async (error: unknown) => {
    // Mostly it is this gateway itself, started twice: then the directory is in use, and says so.
    if (codeOf(error) === 'EADDRINUSE') await (await openDataDirectory(config.dataDirectory)).close()
    throw cannotListen(error, config.host, config.port)
  })
  const localUrl = `http://${urlHost(config.host)}:${port}`
  const publicUrl = config.publicUrl ?? localUrl
  const server = createServer({
    bodyBytes: config.limits.bodyBytes,
    corsOrigins: config.corsOrigins,
    trustProxy: config.trustProxy,
    logLevel: config.logLevel,
    https: publicUrl.startsWith('https:'),
  })
  const onFault = (message: string, error: unknown) => server.log.error({ err: error }, message)
  const composition = await compose({ config, publicUrl, onFault })
  try {
    await serve(config, server, composition, { port, localUrl, publicUrl })
  } catch (error) {
    // The chain is a process of its own: it would outlive us.
    await composition.close()
    throw cannotListen(error, config.host, port)
  }
}

interface Address {
  readonly port: number
  readonly localUrl: string
  readonly publicUrl: string
}

async function serve(
  config: Config,
  server: FastifyInstance,
  composition: Composition,
  { port, localUrl, publicUrl }: Address,
): Promise<void> {
  const inFlight = trackInFlight(server)
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.with(composition),
    new FastifyAdapter(server),
    { logger: nestLogger(server.log), abortOnError: false },
  )
  const drain = new Drain({
    stopServing: () => closeWhenAnswered(server, inFlight, () => app.close()),
    cutConnections: () => server.server.closeAllConnections(),
    parts: composition.closing,
    seconds: config.drainSeconds,
    note: (message, error) => server.log.warn(error === undefined ? {} : { err: error }, message),
  })
  const { ratePerSecond, rateBurst } = config.limits
  const draining = () => drain.draining
  await mountEdge(server, { ...composition.edge, publicUrl, ratePerSecond, rateBurst, draining })
  await app.listen(port, config.host)
  drain.onSignals(process)
  await composition.announce(`${localUrl}${FHIR_BASE}`)
  if (!(await untilReady(composition.edge.checks, draining))) return
  process.stdout.write(
    `Consentry is ready: ${publicUrl}${FHIR_BASE}` +
      (config.auth.issuerUrl === null ? `  (a token: ${namedDirectory(config)}npm run --silent token -- ehr)\n` : '\n'),
  )
}

/** A token is of the gateway of the data directory, so one that is not the usual one has to be named. */
function namedDirectory({ dataDirectory }: Config): string {
  const below = relative('.', dataDirectory)
  if (below === '.consentry') return ''
  const path = below.startsWith('..') ? dataDirectory : below
  return `CONSENTRY_DATA=${/^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`} `
}

/** Where a part is not ready yet, mostly because the chain is still being followed to its head, requests are refused. False on the way down. */
async function untilReady(checks: readonly ReadinessCheck[], draining: () => boolean): Promise<boolean> {
  while (!draining()) {
    if (await isReady(checks)) return true
    await sleep(LOOK_AGAIN_MS)
  }
  return false
}
const LOOK_AGAIN_MS = 20

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

/** By the name of the variable where it is one's fault; any other error as it is. */
function cannotListen(error: unknown, host: string, port: number): unknown {
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return new ConfigurationError([
        `PORT ${port} of ${host} is in use by another program: stop it, or choose another (0: any free one).`,
      ])
    case 'EACCES':
      return new ConfigurationError([
        `PORT ${port} of ${host} may not be listened on by this user; expected one above 1023.`,
      ])
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new ConfigurationError([
        `HOST ${host} is no address of this machine; expected one, such as 127.0.0.1 or ::.`,
      ])
    default:
      return error
  }
}

/** An address to connect to, for an address to listen on. */
function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1'
  return host.includes(':') ? `[${host}]` : host
}

/**
 * The issuer of tokens has its URL in every token, so the port must be known before the parts are made; and one that is taken is told
 * before chain, database and keys are.
 *
 * @param wanted 0: any free one
 */
function freePort(host: string, wanted: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createSocketServer().once('error', reject)
    probe.listen(wanted, host, () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

try {
  await start(readConfig())
} catch (error) {
  // What the operator can act on is said in one sentence; the rest needs its frames.
  const known = error instanceof ConfigurationError || error instanceof ConsentryError
  process.stderr.write(`${known ? error.message : error instanceof Error ? error.stack : 'Consentry cannot start.'}\n`)
  process.exit(1)
}

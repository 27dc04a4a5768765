import 'reflect-metadata'
import { relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { NestFactory } from '@nestjs/core'
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify'
import type { FastifyInstance } from 'fastify'
import { cannotListen, urlHost } from './address.js'
import { AppModule, compose, type Composition } from './app.module.js'
import type { Config } from './config.js'
import { Drain } from './http/drain.js'
import { isReady, type ReadinessCheck } from './http/health.js'
import { closeWhenAnswered, trackInFlight } from './http/in-flight.js'
import { FHIR_BASE, mountEdge } from './http/mount.js'
import { nestLogger } from './http/nest-logger.js'
import { createServer } from './http/server.js'

/** The gateway on a free port of its host. Prints its ready line, and ends on signals. */
export async function start(config: Config, port: number): Promise<void> {
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

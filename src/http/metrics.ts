import type { FastifyInstance } from 'fastify'
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

/**
 * Prometheus metrics at /metrics. Labels are closed sets (interaction, status): never an id, a client or a type of
 * record, so that a reader of metrics learns nothing of anyone. Other parts register theirs in `registry`.
 */
export function metrics(server: FastifyInstance): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const total = new Counter({
    name: 'consentry_http_requests_total',
    help: 'Requests answered.',
    labelNames: ['interaction', 'status'] as const,
    registers: [registry],
  })
  const seconds = new Histogram({
    name: 'consentry_http_request_seconds',
    help: 'Time from the request line to the last byte handed to the socket.',
    labelNames: ['interaction'] as const,
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  })
  const inFlight = new Gauge({
    name: 'consentry_http_requests_in_flight',
    help: 'Requests being answered.',
    registers: [registry],
  })
  server.addHook('onRequest', (_request, _reply, done) => {
    inFlight.inc()
    done()
  })
  server.addHook('onResponse', (request, reply, done) => {
    inFlight.dec()
    const interaction = request.fhir?.target?.interaction ?? 'other'
    total.inc({ interaction, status: reply.statusCode })
    seconds.observe({ interaction }, reply.elapsedTime / 1000)
    done()
  })
  server.get('/metrics', async (_request, reply) => {
    void reply.type(registry.contentType)
    return registry.metrics()
  })
  return registry
}

/** What another part counts; the values of its one label are a closed set. */
export interface Count {
  readonly name: string
  readonly help: string
  readonly label: string
  /** What is now, and may become less. */
  readonly gauge?: boolean
  /** Since the start, or now, by value of the label. */
  readonly read: () => Readonly<Record<string, number>>
}

/** Read when metrics are asked for. */
export function expose(registry: Registry, { name, help, label, gauge, read }: Count): void {
  if (gauge === true) {
    const now = new Gauge({
      name,
      help,
      labelNames: [label],
      registers: [registry],
      collect: () => {
        for (const [value, count] of Object.entries(read())) now.set({ [label]: value }, count)
      },
    })
    return
  }
  const counter = new Counter({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    collect: () => {
      counter.reset()
      for (const [value, count] of Object.entries(read())) counter.inc({ [label]: value }, count)
    },
  })
}

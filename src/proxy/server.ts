import Fastify, { type FastifyInstance } from 'fastify'
import { ConsentryError, HTTP_STATUS } from '../errors.js'
import type { KeyFragDelivery, ProxyIdentity, SignedRequest } from './protocol.js'
import type { Ursula } from './ursula.js'

const BODY_LIMIT = 1024 * 1024
/** What Fastify refuses before we see it. */
const REFUSALS: ReadonlyMap<number, string> = new Map([
  [400, 'The request is not of the form that the protocol has.'],
  [413, `A request has at most ${BODY_LIMIT} bytes.`],
  [415, 'A request is application/json.'],
])

const HEX32 = { type: 'string', pattern: '^0x[0-9a-f]{64}$' }
const BASE64 = { type: 'string', pattern: '^[A-Za-z0-9+/]+=*$', maxLength: 2048 }
const DELIVERY = {
  type: 'object',
  additionalProperties: false,
  required: [
    'patient',
    'grantee',
    'label',
    'epoch',
    'policyKey',
    'verifyingKey',
    'receivingKey',
    'nonce',
    'deadline',
    'keyFrag',
  ],
  properties: {
    patient: HEX32,
    grantee: HEX32,
    label: HEX32,
    epoch: { type: 'integer', minimum: 0 },
    policyKey: BASE64,
    verifyingKey: BASE64,
    receivingKey: BASE64,
    nonce: { type: 'string', pattern: '^[A-Za-z0-9_-]{16,128}$' },
    deadline: { type: 'integer', minimum: 0 },
    keyFrag: BASE64,
  },
}
const SIGNED = {
  type: 'object',
  additionalProperties: false,
  required: ['request', 'signature'],
  properties: { request: { type: 'string' }, signature: { type: 'string', pattern: '^0x[0-9a-fA-F]{130}$' } },
}

/** The proxy's HTTP face; ciphertext and ids of the ledger are all that it ever sees. */
export function proxyServer(ursula: Ursula, identity: () => ProxyIdentity): FastifyInstance {
  const server = Fastify({ bodyLimit: BODY_LIMIT })
  server.setErrorHandler((error, _request, reply) => {
    const known = error instanceof ConsentryError ? error : null
    const refused = REFUSALS.get((error as { statusCode?: number }).statusCode ?? 500)
    const status = known ? HTTP_STATUS[known.kind] : refused ? (error as { statusCode: number }).statusCode : 500
    const text = known?.message ?? refused ?? 'The proxy failed.'
    if (known?.retryAfterSeconds !== undefined) void reply.header('retry-after', known.retryAfterSeconds)
    return reply.code(status).send({ error: text })
  })
  server.get('/', async () => identity())
  server.get('/health/live', async () => ({ status: 'live' }))
  server.post<{ Body: KeyFragDelivery }>('/kfrags', { schema: { body: DELIVERY } }, async (request, reply) =>
    reply.code(201).send(await ursula.accept(request.body)),
  )
  server.post<{ Body: SignedRequest }>('/reencrypt', { schema: { body: SIGNED } }, async (request) =>
    ursula.reencrypt(request.body),
  )
  server.post<{ Body: SignedRequest }>('/receipts', { schema: { body: SIGNED } }, async (request) =>
    ursula.receipts(request.body),
  )
  return server
}

import type { FastifyInstance } from 'fastify'
import { CID } from 'multiformats/cid'
import { ConsentryError } from '../errors.js'
import { isHeld } from '../gateway/if-none-match.js'
import type { RateLimit } from './rate-limit.js'

/** Gives ciphertext blocks by their CID, hashes verified; undefined when there is none. */
export type BlockReader = (cid: string) => Promise<Uint8Array | undefined>

const RAW = 'application/vnd.ipld.raw'
const CODECS: ReadonlySet<number> = new Set([0x55 /* raw */, 0x71 /* dag-cbor */])
const SHA2_256 = 0x12
/** 29,030,400 s: the trustless gateway specification's figure for what never changes. */
const FOREVER = 'public, max-age=29030400, immutable'

/**
 * `GET /ipfs/[cid]?format=raw`, https://specs.ipfs.tech/http-gateways/trustless-gateway/
 * Blocks are ciphertext and names are hashes, so no token is asked for; the rate is limited by address.
 */
export function blockGateway(server: FastifyInstance, read: BlockReader, rate: RateLimit): void {
  server.get<{ Params: { cid: string }; Querystring: Record<string, unknown> }>(
    '/ipfs/:cid',
    async (request, reply) => {
      rate.take(`address ${request.ip}`)
      const raw = request.query['format'] === 'raw' || (request.headers.accept ?? '').includes(RAW)
      if (!raw) throw new ConsentryError('not-acceptable', `Only raw blocks are served: ?format=raw or Accept: ${RAW}.`)
      const cid = parseCid(request.params.cid)
      const etag = `"${cid}.raw"`
      const block = await read(cid)
      // What is not here now may be here later, so this answer is not kept.
      if (block === undefined) {
        void reply.header('cache-control', 'no-store')
        throw new ConsentryError('not-found', 'This node has no block of that CID to give.')
      }
      void reply.headers({ etag, 'cache-control': FOREVER, 'x-ipfs-path': `/ipfs/${cid}`, vary: 'Accept' })
      if (isHeld(request.headers['if-none-match'], (tag) => tag.replace(/^W\//, '') === etag))
        return reply.code(304).send()
      void reply.type(RAW).header('content-disposition', `attachment; filename="${cid}.bin"`)
      return reply.send(Buffer.from(block.buffer, block.byteOffset, block.byteLength))
    },
  )
}

/** SHA-256, raw or dag-cbor: the only ones we make, and version 0 has neither codec. The canonical base32 text comes back. */
function parseCid(text: string): string {
  let cid: CID
  try {
    cid = CID.parse(text)
  } catch {
    throw new ConsentryError('malformed', 'This is not a CID.')
  }
  if (!CODECS.has(cid.code) || cid.multihash.code !== SHA2_256)
    throw new ConsentryError('malformed', 'Blocks here have CIDv1 with SHA-256 and the codec raw or dag-cbor.')
  return cid.toString()
}

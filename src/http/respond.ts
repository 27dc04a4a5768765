import { pipeline, Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { InteractionResponse } from '../gateway/interaction.js'
import { compress, COMPRESS_FROM, compressor } from './compress.js'
import { contentCoding, isXml } from './negotiate.js'
import { indentJson } from './pretty.js'

export interface Presentation {
  /** Content-Type of a body for which the interaction names none. */
  readonly contentType: string
  readonly pretty: boolean
  readonly head: boolean
  readonly acceptEncoding: string | undefined
  /** Needed where the Content-Type may be that of XML. */
  readonly xml?: XmlFormat
}

/** FHIR XML, for those who ask for it: interactions speak JSON. */
export interface XmlFormat {
  /** The same resource as FHIR JSON. @throws ConsentryError `malformed` */
  readonly toJson: (xml: Uint8Array) => Uint8Array | Promise<Uint8Array>
  readonly fromJson: (json: Uint8Array, pretty: boolean) => string
}

/** Writes what an interaction answered. Bytes go out as they came, unless they are compressed or indented. */
export async function respond(reply: FastifyReply, response: InteractionResponse, how: Presentation): Promise<void> {
  void reply.code(response.status).headers(response.headers)
  const { body } = response
  if (body === undefined || response.status === 204 || response.status === 304) return void reply.send()
  const own = reply.hasHeader('content-type')
  const xml = !reply.hasHeader('content-type') && isXml(how.contentType) ? how.xml : undefined
  if (!reply.hasHeader('content-type')) void reply.type(how.contentType)
  varyBy(reply, ['Accept', 'Accept-Encoding'])
  const coding = reply.hasHeader('content-encoding') ? null : contentCoding(how.acceptEncoding)
  if (isStream(body) && xml === undefined) return stream(reply, body, coding, how.head)

  const json = String(reply.getHeader('content-type')).includes('json')
  const whole = isStream(body) ? await collected(body) : body
  const bytes = xml
    ? Buffer.from(xml.fromJson(toBytes(whole, false), how.pretty))
    : toBytes(whole, how.pretty && json && !own)
  if (coding === null || bytes.length < COMPRESS_FROM) return void reply.send(bytes)
  void reply.header('content-encoding', coding)
  return void reply.send(await compress(coding, bytes))
}

function toBytes(body: Uint8Array | string | object, pretty: boolean): Buffer {
  const bytes =
    body instanceof Uint8Array
      ? Buffer.from(body.buffer, body.byteOffset, body.byteLength)
      : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
  return pretty ? Buffer.from(indentJson(bytes.toString('utf8'))) : bytes
}

function stream(
  reply: FastifyReply,
  body: AsyncIterable<Uint8Array | string>,
  coding: 'gzip' | 'br' | null,
  head: boolean,
): void {
  if (coding !== null) void reply.header('content-encoding', coding)
  const source = Readable.from(body, { objectMode: false })
  if (head) {
    source.destroy()
    return void reply.send()
  }
  // A source that fails half way cuts the connection: the client must not take the half for the whole.
  void reply.send(coding === null ? source : pipeline(source, compressor(coding), () => undefined))
}

/** XML is written from the whole: pages are bounded. */
async function collected(body: AsyncIterable<Uint8Array | string>): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of body) parts.push(Buffer.from(part))
  return Buffer.concat(parts)
}

function isStream(body: Uint8Array | string | object): body is AsyncIterable<Uint8Array | string> {
  return typeof body === 'object' && Symbol.asyncIterator in body
}

/** Caches must keep answers apart by these request headers, besides those already named. */
function varyBy(reply: FastifyReply, names: readonly string[]): void {
  const present = reply.getHeader('vary')
  const all = new Set([...(typeof present === 'string' ? present.split(', ') : []), ...names])
  void reply.header('vary', [...all].join(', '))
}
